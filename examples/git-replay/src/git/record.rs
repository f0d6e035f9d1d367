//! The lines that `git diff-tree` prints, put together to commits. Pure: no process, no input.

use std::collections::HashMap;

use crate::history::{AuthorId, Change, Commit};

/// One line per commit; the author comes last, because a name may contain anything but a line break.
pub(super) const FORMAT: &str = "--format=c%x09%H%x09%at%x09%ct%x09%P%x09%an <%ae>";

const COMMIT: &str = "a commit: c, id, two times, parents, author";
const PARENT: &str = "a commit whose parents were printed before it";
const COUNT: &str = "fewer than 4,294,967,296 commits";
const CHANGE: &str = "a change: colons, modes, ids, status and path";

/// The mode that git prints if a path does not exist.
const ABSENT: &str = "000000";

/// Numbers commits and authors in order of first appearance.
#[derive(Debug, Default)]
pub(super) struct Parser {
    /// The commit whose changes are being read.
    open: Option<Commit>,
    commits: HashMap<String, u32>,
    /// By name and address as recorded; no mail map.
    authors: HashMap<Vec<u8>, AuthorId>,
}

impl Parser {
    /// Takes one line without its line break; a line that begins a commit hands out the one before it.
    /// An error says what was expected.
    pub(super) fn accept(&mut self, line: &[u8]) -> Result<Option<Commit>, &'static str> {
        match line.first() {
            None => Ok(None),
            Some(b':') => {
                let commit = self.open.as_mut().ok_or(COMMIT)?;
                commit.changes.push(str::from_utf8(line).ok().and_then(change).ok_or(CHANGE)?);
                Ok(None)
            }
            Some(_) => {
                let commit = self.commit(line)?;
                Ok(self.open.replace(commit))
            }
        }
    }

    /// The last commit, once there are no more lines.
    pub(super) fn finish(&mut self) -> Option<Commit> {
        self.open.take()
    }

    fn commit(&mut self, line: &[u8]) -> Result<Commit, &'static str> {
        let mut fields = line.splitn(6, |byte| *byte == b'\t');
        let Some(b"c") = fields.next() else { return Err(COMMIT) };
        let mut field = || fields.next().ok_or(COMMIT);
        let mut ascii = || field().and_then(|field| str::from_utf8(field).map_err(|_| COMMIT));
        let (id, author_time_s, commit_time_s, parents) = (ascii()?, time(ascii()?), time(ascii()?), ascii()?);
        let author = field()?;

        let index = u32::try_from(self.commits.len()).map_err(|_| COUNT)?;
        let parents = parents.split_ascii_whitespace().map(|parent| self.commits.get(parent).copied().ok_or(PARENT));
        let parents = parents.collect::<Result<_, _>>()?;
        self.commits.insert(id.to_owned(), index);
        let author = self.author(author);
        Ok(Commit { index, author, author_time_s, commit_time_s, parents, changes: Vec::new() })
    }

    fn author(&mut self, author: &[u8]) -> AuthorId {
        if let Some(&known) = self.authors.get(author) {
            return known;
        }
        let next = AuthorId(u32::try_from(self.authors.len()).expect("there are no more authors than commits"));
        self.authors.insert(author.to_owned(), next);
        next
    }
}

/// A date that git itself cannot read (it exists in old repositories) is 1970 there, and so it is here.
fn time(text: &str) -> i64 {
    text.parse().unwrap_or_default()
}

/// `:old new old-id new-id status TAB path`; in a merge of n parents n colons, n + 1 modes and n + 1 ids.
fn change(line: &str) -> Option<Change> {
    let (facts, path) = line.split_once('\t')?;
    let path = path.to_owned();
    let parents = facts.len() - facts.trim_start_matches(':').len();
    let facts: Vec<&str> = facts[parents..].split(' ').collect();
    if facts.len() != 2 * (parents + 1) + 1 || path.is_empty() {
        return None;
    }
    Some(match facts[parents] {
        ABSENT => Change::Delete { path },
        _ => Change::Write { path, id: facts[2 * parents + 1].to_owned() },
    })
}
