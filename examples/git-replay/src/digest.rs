//! The state digest, and the state that plain sequential application of a history leads to.

use std::collections::HashMap;
use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::entity::entity;
use crate::history::{Change, Commit};

/// SHA-256 over the lines `path TAB id LF` of a state, sorted by bytes. A very long path is written as its entity. Prints as hex.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Digest([u8; 32]);

impl Digest {
    /// The digest of a map from path to id, given in any order.
    pub(crate) fn of<P: fmt::Display, I: fmt::Display>(state: impl IntoIterator<Item = (P, I)>) -> Self {
        let mut lines: Vec<String> = state.into_iter().map(|(path, id)| format!("{path}\t{id}\n")).collect();
        lines.sort_unstable();
        let mut hash = Sha256::new();
        lines.iter().for_each(|line| hash.update(line));
        Self(hash.finalize().into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What a history holds, and the digest that every replica must reach when each commit saw all commits before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) commits: u64,
    pub(crate) changes: u64,
    /// By author number.
    pub(crate) commits_per_author: Vec<u64>,
    /// Paths that exist in the end.
    pub(crate) paths: usize,
    pub(crate) digest: Digest,
}

impl Expected {
    /// Applies every change in order, no engine involved. Stops at the first error of the source.
    pub(crate) fn of<E>(history: impl IntoIterator<Item = Result<Commit, E>>) -> Result<Self, E> {
        let mut state: HashMap<String, String> = HashMap::new();
        let (mut commits, mut changes, mut commits_per_author) = (0, 0, Vec::new());
        for commit in history {
            let commit = commit?;
            let author = commit.author.0 as usize;
            if author >= commits_per_author.len() {
                commits_per_author.resize(author + 1, 0);
            }
            commits_per_author[author] += 1;
            commits += 1;
            changes += commit.changes.len() as u64;
            for change in commit.changes {
                match change {
                    Change::Write { path, id } => state.insert(path, id),
                    Change::Delete { path } => state.remove(&path),
                };
            }
        }
        let digest = Digest::of(state.iter().map(|(path, id)| (entity(path), id)));
        Ok(Self { commits, changes, commits_per_author, paths: state.len(), digest })
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::history::AuthorId;

    #[test]
    fn the_digest_of_nothing_is_the_hash_of_no_bytes() {
        let nothing: [(&str, &str); 0] = [];
        let digest = Digest::of(nothing).to_string();
        assert_eq!(digest, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn the_order_of_the_rows_does_not_change_the_digest() {
        let forward = Digest::of([("a", "1"), ("a b", "2"), ("b", "3")]);
        let backward = Digest::of([("b", "3"), ("a b", "2"), ("a", "1")]);
        assert_eq!(forward, backward);
        // printf 'a\t1\na b\t2\nb\t3\n' | sha256sum
        assert_eq!(forward.to_string(), "857ac7a56152019321a9cde7c60dbd383210331603762522cc811b59e3ab3728");
    }

    #[test]
    fn the_last_change_of_a_path_stands() {
        let write = |path: &str, id: &str| Change::Write { path: path.into(), id: id.into() };
        let delete = |path: &str| Change::Delete { path: path.into() };
        let history = [
            (0, vec![write("kept", "1"), write("gone", "1"), write("back", "1")]),
            (1, vec![write("kept", "2"), delete("gone"), delete("back"), delete("never there")]),
            (0, vec![write("back", "3")]),
        ];
        let commits = history.into_iter().enumerate().map(|(index, (author, changes))| {
            let (index, author, parents) = (index as u32, AuthorId(author), Vec::new());
            Ok::<_, Infallible>(Commit { index, author, author_time_s: 0, commit_time_s: 0, parents, changes })
        });
        let expected = Expected {
            commits: 3,
            changes: 8,
            commits_per_author: vec![2, 1],
            paths: 2,
            digest: Digest::of([("kept", "2"), ("back", "3")]),
        };
        assert_eq!(Expected::of(commits), Ok(expected));
    }
}
