//! Who writes where, and who syncs when. Pure: the same history and options give the same replay.

use std::cmp::Reverse;
use std::num::{NonZeroU32, NonZeroUsize};

use crate::history::Commit;

/// One of the K replicas of a replay, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ReplicaIndex(pub(crate) usize);

/// Which replica writes each commit.
#[derive(Clone, Debug)]
pub(crate) enum Assignment {
    /// Each author has one replica, by number.
    Authors(Vec<ReplicaIndex>),
    /// Commits go round all replicas.
    Commits(NonZeroUsize),
}

impl Assignment {
    /// Spreads the writing over the replicas. The busiest author comes first, and each author gets the replica with the fewest commits
    /// so far: a few people write most of a history, so authors in turn would leave some replicas nearly idle. If there are fewer authors
    /// than replicas, commits take turns, so that every replica writes.
    pub(crate) fn balanced(commits_per_author: &[u64], replicas: NonZeroUsize) -> Self {
        if commits_per_author.len() < replicas.get() {
            return Self::Commits(replicas);
        }
        let mut busiest_first: Vec<usize> = (0..commits_per_author.len()).collect();
        busiest_first.sort_by_key(|author| Reverse(commits_per_author[*author]));
        let mut load = vec![0; replicas.get()];
        let mut by_author = vec![ReplicaIndex(0); commits_per_author.len()];
        for author in busiest_first {
            let idlest = (0..load.len()).min_by_key(|replica| load[*replica]).expect("there is at least one replica");
            load[idlest] += commits_per_author[author];
            by_author[author] = ReplicaIndex(idlest);
        }
        Self::Authors(by_author)
    }

    /// The replica that writes a commit, or `None` if its author was not counted.
    pub(crate) fn writer(&self, commit: &Commit) -> Option<ReplicaIndex> {
        match self {
            Self::Authors(by_author) => by_author.get(commit.author.0 as usize).copied(),
            Self::Commits(replicas) => Some(ReplicaIndex(commit.index as usize % replicas.get())),
        }
    }
}

/// When replicas sync during a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Schedule {
    /// The writer syncs before and after each commit, so that every commit has seen all earlier ones.
    Causal,
    /// Each replica syncs once in `every` commits of the whole history, at evenly staggered moments.
    Offline { every: NonZeroU32 },
}

impl Schedule {
    /// The syncs at the end, in order: in the first round all hand over what they still hold, in the second all fetch what
    /// those behind them in the round handed over.
    pub(crate) fn finally(replicas: NonZeroUsize) -> impl Iterator<Item = ReplicaIndex> {
        let round = || (0..replicas.get()).map(ReplicaIndex);
        round().chain(round())
    }

    /// The replicas that sync after commit number `commit`, in order.
    pub(crate) fn after(
        self,
        commit: u32,
        writer: ReplicaIndex,
        replicas: NonZeroUsize,
    ) -> impl Iterator<Item = ReplicaIndex> {
        (0..replicas.get()).map(ReplicaIndex).filter(move |replica| match self {
            Self::Causal => *replica == writer,
            Self::Offline { every } => {
                let every = u64::from(every.get());
                let turn = replica.0 as u64 * every / replicas.get() as u64;
                (u64::from(commit) + 1) % every == turn
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::history::AuthorId;

    fn replicas(count: usize) -> NonZeroUsize {
        NonZeroUsize::new(count).unwrap()
    }

    fn offline(every: u32) -> Schedule {
        Schedule::Offline { every: NonZeroU32::new(every).unwrap() }
    }

    /// The replica numbers that sync after each of the first commits, all written by replica 1.
    fn syncs(schedule: Schedule, count: usize, commits: u32) -> Vec<Vec<usize>> {
        let after = |commit| schedule.after(commit, ReplicaIndex(1), replicas(count));
        (0..commits).map(|commit| after(commit).map(|replica| replica.0).collect()).collect()
    }

    /// The replica number that writes commit number `index` of an author.
    fn writer(assignment: &Assignment, index: u32, author: u32) -> Option<usize> {
        let (author, parents, changes) = (AuthorId(author), vec![], vec![]);
        let commit = Commit { index, author, author_time_s: 0, commit_time_s: 0, parents, changes };
        assignment.writer(&commit).map(|replica| replica.0)
    }

    #[test]
    fn the_busiest_author_does_not_share_while_others_are_idle() {
        let assignment = Assignment::balanced(&[3, 1, 50, 2, 4], replicas(2));
        let by_author: Vec<usize> = (0..5).map(|author| writer(&assignment, 0, author).unwrap()).collect();
        assert_eq!(by_author, [1, 1, 0, 1, 1]);
    }

    #[test]
    fn equal_authors_are_dealt_out_in_order() {
        let assignment = Assignment::balanced(&[1; 7], replicas(3));
        let by_author: Vec<usize> = (0..7).map(|author| writer(&assignment, 0, author).unwrap()).collect();
        assert_eq!(by_author, [0, 1, 2, 0, 1, 2, 0]);
    }

    #[test]
    fn every_replica_writes_though_there_is_one_author() {
        let assignment = Assignment::balanced(&[5], replicas(3));
        let by_commit: Vec<usize> = (0..5).map(|index| writer(&assignment, index, 0).unwrap()).collect();
        assert_eq!(by_commit, [0, 1, 2, 0, 1]);
    }

    #[test]
    fn an_author_that_was_not_counted_has_no_replica() {
        assert_eq!(writer(&Assignment::balanced(&[1], replicas(1)), 0, 1), None);
    }

    #[test]
    fn causal_means_the_writer_and_nobody_else() {
        assert_eq!(syncs(Schedule::Causal, 4, 2), [[1], [1]]);
    }

    #[test]
    fn offline_replicas_take_turns() {
        assert_eq!(syncs(offline(4), 2, 8), [vec![], vec![1], vec![], vec![0], vec![], vec![1], vec![], vec![0]]);
    }

    #[test]
    fn each_replica_syncs_exactly_once_in_every_n_commits() {
        for (count, every) in [(16, 500), (16, 5), (3, 1), (1, 7)] {
            let mut seen: Vec<usize> = syncs(offline(every), count, every).concat();
            seen.sort_unstable();
            assert_eq!(seen, (0..count).collect::<Vec<_>>(), "{count} replicas, every {every} commits");
        }
    }

    #[test]
    fn a_period_longer_than_the_history_is_no_sync_for_most() {
        assert_eq!(syncs(offline(u32::MAX), 2, 100).concat(), [] as [usize; 0]);
    }

    #[test]
    fn after_the_final_syncs_every_replica_holds_everything() {
        let count = 5;
        let mut held: Vec<BTreeSet<usize>> = (0..count).map(|replica| BTreeSet::from([replica])).collect();
        let mut server = BTreeSet::new();
        for ReplicaIndex(replica) in Schedule::finally(replicas(count)) {
            server.extend(&held[replica]);
            held[replica].extend(&server);
        }
        assert!(held.iter().all(|held| held.len() == count));
    }
}
