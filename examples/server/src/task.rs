//! Carrying out what the command line asks for, here or by the running server.

use crate::cli::{SnapshotTask, Task, Trim};
use crate::config::Place;
use crate::control::Job;
use crate::failure::Failure;
use crate::output::Output;
use crate::stack::{Reached, Stack, reach};
use crate::{admin, archive, carry, claim, log, setup, small, status, verify};

impl Task {
    /// Carries the task out on an open database.
    ///
    /// # Errors
    /// [`Failure`]; what was changed before it is changed.
    ///
    /// # Cancel
    /// Each single change is made or not made.
    pub(crate) async fn run(self, stack: &Stack, out: &mut Output) -> Result<(), Failure> {
        match self {
            Self::Setup(setup) => setup::run(setup, stack, out).await,
            Self::Verify { space, .. } => verify::run(space, stack, out).await,
            Self::Log { space, after, limit } => log::run(&space, after, limit, stack, out).await,
            Self::Status(form) => status::run(form, stack, out).await,
            Self::List(form) => admin::list(form, stack, out).await,
            Self::User(task) => admin::user(task, stack, out).await,
            Self::Device(task) => admin::device(task, stack, out).await,
            Self::Token(task) => admin::token(task, stack, out).await,
            Self::Space(task) => admin::space(task, stack, out).await,
            Self::Claim(task) => claim::run(task, stack, out).await,
            Self::Snapshot(task) => small::snapshot(task, stack, out).await,
            Self::Trim(task) => small::trim(task, stack, out).await,
            Self::VerifyArchive { space, archive } => archive::verify(&space, &archive, stack, out).await,
            Self::Grant { space, user, role } => admin::grant(&space, &user, role, stack, out).await,
            Self::Revoke { space, user } => admin::revoke(&space, &user, stack, out).await,
        }
    }

    /// Carries the task out on a database, by the running server if one has it open, and answers on the
    /// console.
    ///
    /// # Errors
    /// [`Failure`], its own or the server's.
    pub(crate) async fn run_at(mut self, place: &Place) -> Result<(), Failure> {
        // Whoever does the work uses the archive that was named here.
        if let Self::Trim(Trim { archive, .. }) | Self::Snapshot(SnapshotTask::Make { archive, .. }) = &mut self {
            archive.clone_from(&place.archive);
        }
        if let (false, Some(missing)) = (self.begins_a_database(), place.paths().find(|path| !path.exists())) {
            return Err(Failure::NoDatabase(missing.to_owned()));
        }
        let mut out = Output::console();
        let result = match self {
            Self::Verify { space: Some(space), against: Some(other) } => {
                carry::compare(&space, place, &other, &mut out).await
            }
            task => match reach(place).await? {
                Reached::Here(stack) => task.run(&stack, &mut out).await,
                Reached::There(line) => line.ask(Job::Task(task), &mut out).await,
            },
        };
        out.flush().await?;
        result
    }
}
