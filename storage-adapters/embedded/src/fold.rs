//! Commits whose rows depend on stored rows: these are read, and the others made of them, within the transaction that commits both.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use syncline::store::draft::Outcome;
use syncline::store::{Committed, StoreError};

use crate::backend::{Backend, Session};
use crate::error::guarded;
use crate::writer::Commit;

/// What a caller is answered.
pub(crate) enum Answer {
    /// What became of the commit.
    Outcome(Outcome),
    /// The fold did not want it.
    Declined,
    /// The fold panicked, with this.
    Panicked(Box<dyn Any + Send>),
}

impl Answer {
    /// What became of the commit; `None` if the fold did not want it. A panic goes on.
    pub(crate) fn into_outcome(self) -> Result<Option<Committed>, StoreError> {
        match self {
            Self::Outcome(outcome) => outcome.map(Some),
            Self::Declined => Ok(None),
            Self::Panicked(panic) => resume_unwind(panic),
        }
    }
}

/// Lets the folds of a group make their rows. Each is the first commit of its space in the group. A commit that its fold does not want
/// is answered and leaves the group.
///
/// # Errors
/// Rows do not read back.
pub(crate) fn fold_all<B: Backend>(session: &B::Session<'_>, group: &mut Vec<Commit<B>>) -> Result<(), B::Fault> {
    let mut index = 0;
    while index < group.len() {
        match group[index].make_rows(session)? {
            // Nobody waits for it any more if it cannot be sent.
            Some(answer) => _ = group.remove(index).answer.send(answer),
            None => index += 1,
        }
    }
    Ok(())
}

impl<B: Backend> Commit<B> {
    /// Lets the fold make the rows, if there is one that has not. Gives the answer if there is nothing to commit.
    fn make_rows(&mut self, session: &B::Session<'_>) -> Result<Option<Answer>, B::Fault> {
        let Some(fold) = &self.fold else { return Ok(None) };
        let revision = self.space.state().status.revision;
        if self.batch.expected.is_some_and(|expected| expected != revision) {
            // It is refused when the draft is made.
            self.fold = None;
            return Ok(None);
        }
        let (place, at) = (&self.space.place, self.space.place.at("its rows"));
        let stored = guarded(B::BOUNDS.backend, &at, || session.load(place, &fold.keys))?;
        // Not before: a commit whose rows could not be loaded is tried again alone, and must not be without its fold then.
        let Some(fold) = self.fold.take() else { return Ok(None) };
        Ok(match catch_unwind(AssertUnwindSafe(|| fold.make(stored))) {
            Ok(Some(rows)) => {
                self.batch.rows.extend(rows);
                None
            }
            Ok(None) => Some(Answer::Declined),
            Err(panic) => Some(Answer::Panicked(panic)),
        })
    }
}
