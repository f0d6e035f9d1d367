//! What a group of commits comes to: a draft for each space.

use syncline::store::WriteBatch;
use syncline::store::draft::{Draft, Outcome, origins};

use crate::backend::Backend;
use crate::log;
use crate::pack::Tail;
use crate::space::Space;
use crate::writer::Commit;

/// What was written of a group, before it is committed.
pub(crate) struct Plan<'a, B: Backend> {
    /// What becomes of each commit, in order.
    pub(crate) outcomes: Vec<Outcome>,
    spaces: Vec<Drafted<'a, B>>,
}

/// The draft of one space.
struct Drafted<'a, B: Backend> {
    space: &'a Space<B::Key>,
    draft: Draft<'a>,
    outcomes: Vec<Outcome>,
    /// What is to be remembered, if anything was written.
    written: Option<(Tail, B::Learned)>,
}

impl<'a, B: Backend> Plan<'a, B> {
    /// Checks the commits of a group in order, and writes what was not refused.
    ///
    /// # Errors
    /// What one of them needs does not read back, or what they change cannot be written.
    pub(crate) fn write(
        session: &B::Session<'_>,
        changes: &mut B::Changes,
        group: &'a [Commit<B>],
    ) -> Result<Self, B::Fault> {
        let mut by_space: Vec<usize> = (0..group.len()).collect();
        by_space.sort_by_key(|index| &group[*index].space.place.name);
        let (mut outcomes, mut spaces) = (Vec::with_capacity(group.len()), Vec::new());
        for indices in by_space.chunk_by(|a, b| group[*a].is_beside(&group[*b])) {
            let batches: Vec<&WriteBatch> = indices.iter().map(|index| &group[*index].batch).collect();
            let mut drafted = Drafted::<B>::write(session, changes, &group[indices[0]].space, &batches)?;
            outcomes.extend(indices.iter().copied().zip(std::mem::take(&mut drafted.outcomes)));
            spaces.push(drafted);
        }
        outcomes.sort_by_key(|(index, _)| *index);
        Ok(Self { outcomes: outcomes.into_iter().map(|(_, outcome)| outcome).collect(), spaces })
    }

    /// Makes the committed group known.
    pub(crate) fn publish(self) -> Vec<Outcome> {
        for Drafted { space, draft, written, .. } in self.spaces {
            if let Some((tail, learned)) = written {
                B::learn(&space.place, learned);
                space.publish(&draft, tail);
            }
        }
        self.outcomes
    }
}

impl<'a, B: Backend> Drafted<'a, B> {
    fn write(
        session: &B::Session<'_>,
        changes: &mut B::Changes,
        space: &'a Space<B::Key>,
        batches: &[&'a WriteBatch],
    ) -> Result<Self, B::Fault> {
        let before = space.end(origins(batches.iter().copied()));
        let runs = log::read_concerned::<B>(session, &space.place, batches.iter().copied())?;
        let (mut draft, outcomes) = Draft::of(B::BOUNDS, before, runs, batches.iter().copied());
        if draft.is_empty() {
            return Ok(Self { space, draft, outcomes, written: None });
        }
        // What lay small at the end of the log may be another origin's after a rewrite, or gone after a trim, or be cut otherwise.
        let is_changed = draft.is_replaced || draft.is_trimmed() || batches.iter().any(|batch| batch.rewrite.is_some());
        let mut tail = if is_changed { Tail::default() } else { space.state().tail };
        tail.pack::<B>(session, &space.place, &mut draft)?;
        let learned = B::write(session, changes, &space.place, &draft)?;
        Ok(Self { space, draft, outcomes, written: Some((tail, learned)) })
    }
}
