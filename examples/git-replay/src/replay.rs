//! Driving the replicas through the history.

use std::num::NonZeroUsize;

use indicatif::ProgressBar;
use tokio::sync::mpsc;

use crate::history::Commit;
use crate::member::{Failure, Member};
use crate::schedule::{Assignment, ReplicaIndex, Schedule};
use crate::source::Source;

/// Commits that may wait for one offline replica before the reader waits for it.
const QUEUE_COMMITS: usize = 1_024;

/// Replays every commit of the source.
pub(crate) struct Replay<'a> {
    pub(crate) source: &'a Source,
    pub(crate) members: &'a [Member],
    pub(crate) assignment: &'a Assignment,
    pub(crate) schedule: Schedule,
    pub(crate) bar: &'a ProgressBar,
}

/// What an offline replica does next.
enum Step {
    Write(Commit),
    Sync,
}

impl Replay<'_> {
    pub(crate) async fn run(&self) -> Result<(), Failure> {
        match self.schedule {
            Schedule::Causal => self.causal().await,
            Schedule::Offline { .. } => self.offline().await,
        }
    }

    /// One commit after the other: the writer fetches all before it, writes, and hands its commit over.
    async fn causal(&self) -> Result<(), Failure> {
        for commit in self.source.commits()? {
            let commit = commit?;
            let ReplicaIndex(writer) = self.writer(&commit)?;
            let member = &self.members[writer];
            member.sync().await?;
            member.write(&commit).await?;
            member.sync().await?;
            self.bar.inc(1);
        }
        Ok(())
    }

    /// All replicas at once, each with its own commits in order, and its own syncs among them.
    async fn offline(&self) -> Result<(), Failure> {
        let mut queues = Vec::new();
        let mut running = tokio::task::JoinSet::new();
        for member in self.members {
            let (queue, steps) = mpsc::channel(QUEUE_COMMITS);
            queues.push(queue);
            running.spawn(work(member.clone(), steps, self.bar.clone()));
        }
        // Reading blocks, so it gets a thread of its own; a replica that fails closes its queue, which ends the reading.
        let (assignment, schedule, commits) = (self.assignment.clone(), self.schedule, self.source.commits()?);
        let reading = tokio::task::spawn_blocking(move || -> Result<(), Failure> {
            for commit in commits {
                let commit = commit?;
                let writer = assignment.writer(&commit).ok_or("the history has changed since it was counted")?;
                let syncing: Vec<_> = schedule.after(commit.index, writer, replicas(&queues)).collect();
                let open = queues[writer.0].blocking_send(Step::Write(commit)).is_ok()
                    && syncing.into_iter().all(|ReplicaIndex(at)| queues[at].blocking_send(Step::Sync).is_ok());
                if !open {
                    break;
                }
            }
            Ok(())
        });
        while let Some(done) = running.join_next().await {
            done??;
        }
        reading.await?
    }

    fn writer(&self, commit: &Commit) -> Result<ReplicaIndex, Failure> {
        self.assignment.writer(commit).ok_or_else(|| "the history has changed since it was counted".into())
    }
}

fn replicas<T>(queues: &[T]) -> NonZeroUsize {
    NonZeroUsize::new(queues.len()).expect("there is at least one replica")
}

async fn work(member: Member, mut steps: mpsc::Receiver<Step>, bar: ProgressBar) -> Result<(), Failure> {
    while let Some(step) = steps.recv().await {
        match step {
            Step::Write(commit) => {
                member.write(&commit).await?;
                bar.inc(1);
            }
            Step::Sync => drop(member.sync().await?),
        }
    }
    Ok(())
}

/// The syncs at the end: after them every replica has everything.
pub(crate) async fn finish(members: &[Member]) -> Result<(), Failure> {
    for ReplicaIndex(at) in Schedule::finally(replicas(members)) {
        members[at].sync().await?;
    }
    Ok(())
}
