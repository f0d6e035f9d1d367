//! The built-in history: small, invented, with everything that makes a history awkward.
//!
//! 200 commits of five authors: deleted and re-created files, a path outside ASCII, two merges (one that settles a
//! conflict), an empty commit, and dates that jump by years in both directions.

use crate::history::{HistoryError, HistoryReader};

const SAMPLE: &[u8] = include_bytes!("../sample/history.tsv");

/// Reads the sample as if it were a file.
pub(crate) fn commits() -> Result<HistoryReader, HistoryError> {
    HistoryReader::new("the built-in sample", SAMPLE)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::digest::Expected;
    use crate::history::{Change, Commit};

    const YEAR_S: i64 = 365 * 24 * 3600;

    fn all() -> Vec<Commit> {
        commits().unwrap().collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn the_sample_never_changes_by_accident() {
        let expected = Expected::of(commits().unwrap()).unwrap();
        assert_eq!((expected.commits, expected.commits_per_author.len()), (200, 5));
        assert_eq!(expected.digest.to_string(), "c6de09f5bc6ae148216609267312a5df58ab8286fb6734138bb2df1dfc83598d");
    }

    #[test]
    fn the_sample_deletes_paths_and_creates_some_of_them_again() {
        let (mut deleted, mut created_again) = (HashSet::new(), 0);
        for change in all().into_iter().flat_map(|commit| commit.changes) {
            match change {
                Change::Delete { path } => _ = deleted.insert(path),
                Change::Write { path, .. } => created_again += usize::from(deleted.remove(&path)),
            }
        }
        assert!(created_again > 0 && !deleted.is_empty());
    }

    #[test]
    fn the_sample_has_one_end_and_merges_with_and_without_a_conflict() {
        let commits = all();
        let parents: HashSet<u32> = commits.iter().flat_map(|commit| commit.parents.clone()).collect();
        assert_eq!(commits.iter().filter(|commit| !parents.contains(&commit.index)).count(), 1);
        let mut merges = commits.iter().filter(|commit| commit.parents.len() > 1);
        assert!(merges.clone().any(|merge| merge.changes.is_empty()));
        assert!(merges.any(|merge| !merge.changes.is_empty()));
    }

    #[test]
    fn the_dates_of_the_sample_jump_by_years_in_both_directions() {
        let commits = all();
        let jumps = || commits.windows(2).map(|pair| pair[1].author_time_s - pair[0].author_time_s);
        assert!(jumps().any(|jump| jump > 5 * YEAR_S));
        assert!(jumps().any(|jump| jump < -5 * YEAR_S));
    }
}
