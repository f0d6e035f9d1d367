//! The grammar of a history file, one line at a time. Pure: no input, no file names.

use std::str::FromStr;

use super::{AuthorId, Change, Commit, LINE_BYTES_MAX};

const HEADER: &str = "#syncline-history 1";
const HEADER_ANY_VERSION: &str = "#syncline-history ";

/// How much of a bad line a message quotes, in characters.
const QUOTED_CHARS_MAX: usize = 40;

/// What is wrong with a line, and what was expected there.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    #[error(
        "this is no history file: expected the first line {HEADER:?}, found {0:?}; give a history file or the directory of a git repository"
    )]
    Header(String),
    #[error(
        "history format {0:?} is unknown: this program reads format 1; convert the file or use a program of its age"
    )]
    Version(String),
    #[error("expected a line that begins with c, w or d and a tab, found {0:?}")]
    Kind(String),
    #[error("expected {expected} tab-separated fields in a line of kind {kind}, found {found}")]
    Fields { kind: char, expected: usize, found: usize },
    #[error("the field {0} is empty")]
    Empty(&'static str),
    #[error("the field {field} must be a whole number in range, found {found:?}")]
    Number { field: &'static str, found: String },
    #[error("expected commit {expected}, found commit {found}: commits are numbered from 0 without holes")]
    Index { expected: u32, found: u32 },
    #[error("author {found} appears before author {expected}: authors are numbered in order of first appearance")]
    Author { expected: u32, found: u32 },
    #[error("commit {commit} names the parent {parent}, which is not an earlier commit: parents come first")]
    Parent { commit: u32, parent: u32 },
    #[error("a change stands before the first commit: expected a line of kind c")]
    ChangeBeforeCommit,
    #[error("the text is not UTF-8: paths are written quoted, as git prints them with core.quotePath=true")]
    NotUtf8,
    #[error("the line is longer than {LINE_BYTES_MAX} bytes: this is no history file, or it lost its line breaks")]
    TooLong,
    #[error("the last line has no line break: the file was cut off, fetch it again")]
    CutOff,
}

/// Accepts only the first line of the format that this program reads.
pub(super) fn check_header(line: &str) -> Result<(), Problem> {
    match line.strip_prefix(HEADER_ANY_VERSION) {
        Some(_) if line == HEADER => Ok(()),
        Some(version) => Err(Problem::Version(quoted(version))),
        None => Err(Problem::Header(quoted(line))),
    }
}

/// Puts lines together to commits.
#[derive(Debug, Default)]
pub(super) struct Parser {
    /// The commit whose changes are being read.
    open: Option<Commit>,
    commits: u32,
    authors: u32,
}

impl Parser {
    /// Takes one line; a line that begins a commit hands out the one before it.
    pub(super) fn accept(&mut self, line: &str) -> Result<Option<Commit>, Problem> {
        match line.split_once('\t').map_or(line, |(kind, _)| kind) {
            "c" => {
                let commit = self.commit(fields(line)?)?;
                Ok(self.open.replace(commit))
            }
            "w" => {
                let [path, id] = fields(line)?;
                self.change(Change::Write { path: text("path", path)?, id: text("id", id)? })
            }
            "d" => {
                let [path] = fields(line)?;
                self.change(Change::Delete { path: text("path", path)? })
            }
            _ => Err(Problem::Kind(quoted(line))),
        }
    }

    /// The last commit, once there are no more lines.
    pub(super) fn finish(&mut self) -> Option<Commit> {
        self.open.take()
    }

    fn change(&mut self, change: Change) -> Result<Option<Commit>, Problem> {
        let commit = self.open.as_mut().ok_or(Problem::ChangeBeforeCommit)?;
        commit.changes.push(change);
        Ok(None)
    }

    fn commit(&mut self, [index, author, author_time_s, commit_time_s, parents]: [&str; 5]) -> Result<Commit, Problem> {
        let commit = Commit {
            index: number("index", index)?,
            author: AuthorId(number("author", author)?),
            author_time_s: number("author_time_s", author_time_s)?,
            commit_time_s: number("commit_time_s", commit_time_s)?,
            parents: match parents {
                "-" => Vec::new(),
                list => list.split(',').map(|parent| number("parents", parent)).collect::<Result<_, _>>()?,
            },
            changes: Vec::new(),
        };
        if commit.index != self.commits {
            return Err(Problem::Index { expected: self.commits, found: commit.index });
        }
        if commit.author.0 > self.authors {
            return Err(Problem::Author { expected: self.authors, found: commit.author.0 });
        }
        if let Some(&parent) = commit.parents.iter().find(|parent| **parent >= commit.index) {
            return Err(Problem::Parent { commit: commit.index, parent });
        }
        self.commits += 1;
        self.authors = self.authors.max(commit.author.0 + 1);
        Ok(commit)
    }
}

/// The `N` fields behind the kind of a line.
fn fields<const N: usize>(line: &str) -> Result<[&str; N], Problem> {
    let kind = line.chars().next().unwrap_or_default();
    let fields: Vec<&str> = line.split('\t').skip(1).collect();
    <[&str; N]>::try_from(fields).map_err(|fields| Problem::Fields { kind, expected: N + 1, found: fields.len() + 1 })
}

fn text(field: &'static str, text: &str) -> Result<String, Problem> {
    if text.is_empty() { Err(Problem::Empty(field)) } else { Ok(text.to_owned()) }
}

fn number<T: FromStr>(field: &'static str, text: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| Problem::Number { field, found: quoted(text) })
}

fn quoted(text: &str) -> String {
    text.chars().take(QUOTED_CHARS_MAX).collect()
}
