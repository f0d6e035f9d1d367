//! What the process that writes tells the one that watches: one line each, so short that a pipe takes it whole or not at all.

use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use syncline::id::Revision;
use syncline::{Position, Seq};
use thiserror::Error;

use crate::check::Report;
use crate::record::{Acknowledged, Intended, Replaced, Replacing};

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// The store is opened next.
    Opening,
    /// The store and all its spaces are open and have answered; how long that took, in microseconds.
    Opened(u64),
    /// What was found in it. Writing begins.
    Checked(Box<Report>),
    /// A commit begins.
    Intended(Intended),
    /// A commit has returned.
    Acknowledged(Acknowledged),
    /// A snapshot is put in the place of a log.
    Replacing(Replacing),
    /// A snapshot is in the place of a log.
    Replaced(Replaced),
    /// A commit has failed, and its writer has stopped.
    Failed(String),
}

/// Microseconds since 1970, on the clock that all processes of the rig share.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// A line that says nothing known.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not a message of the writing process")]
pub struct UnknownMessage(String);

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opening => write!(f, "opening"),
            Self::Opened(micros) => write!(f, "opened {micros}"),
            Self::Checked(report) => write!(f, "checked {}", plain(report)),
            Self::Replacing(replacing) => write!(f, "replacing {}", plain(replacing)),
            Self::Replaced(replaced) => write!(f, "replaced {}", plain(replaced)),
            Self::Intended(Intended { space, writer, last }) => write!(f, "begin {space} {writer} {last}"),
            Self::Acknowledged(Acknowledged { space, writer, last, revision, head, folded, base, when }) => {
                write!(f, "done {space} {writer} {last} {revision} {head} {folded} {base} {when}")
            }
            Self::Failed(why) => write!(f, "failed {}", why.replace('\n', " ")),
        }
    }
}

fn plain(data: &impl Serialize) -> String {
    serde_json::to_string(data).expect("what is told is plain data")
}

impl FromStr for Message {
    type Err = UnknownMessage;

    fn from_str(line: &str) -> Result<Self, UnknownMessage> {
        let unknown = || UnknownMessage(line.chars().take(80).collect());
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let numbers = || rest.split(' ').map(str::parse).collect::<Result<Vec<u64>, _>>().map_err(|_| unknown());
        let small = |number: u64| u8::try_from(number).map_err(|_| unknown());
        match word {
            "opening" => Ok(Self::Opening),
            "checked" => serde_json::from_str(rest).map(Self::Checked).map_err(|_| unknown()),
            "replacing" => serde_json::from_str(rest).map(Self::Replacing).map_err(|_| unknown()),
            "replaced" => serde_json::from_str(rest).map(Self::Replaced).map_err(|_| unknown()),
            "failed" => Ok(Self::Failed(rest.to_owned())),
            "opened" => match numbers()?[..] {
                [micros] => Ok(Self::Opened(micros)),
                _ => Err(unknown()),
            },
            "begin" => match numbers()?[..] {
                [space, writer, last] => {
                    let (space, writer, last) = (small(space)?, small(writer)?, Seq::new(last));
                    Ok(Self::Intended(Intended { space, writer, last }))
                }
                _ => Err(unknown()),
            },
            "done" => match numbers()?[..] {
                [space, writer, last, revision, head, folded, base, when] => Ok(Self::Acknowledged(Acknowledged {
                    space: small(space)?,
                    writer: small(writer)?,
                    last: Seq::new(last),
                    revision: Revision::new(revision),
                    head: Position::new(head),
                    folded: Position::new(folded),
                    base: Position::new(base),
                    when,
                })),
                _ => Err(unknown()),
            },
            _ => Err(unknown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use syncline::LogId;

    use super::*;

    #[test]
    fn every_message_reads_back_from_its_line() {
        let (space, writer, last) = (1, 2, Seq::new(3));
        let (revision, head, folded, base) = (Revision::new(4), Position::new(5), Position::new(6), Position::new(2));
        let log = LogId::from_bytes([8; 16]).unwrap();
        let replacing = Replacing { space, log, base, last };
        for message in [
            Message::Replacing(replacing),
            Message::Replaced(Replaced { replacing, revision, when: 7 }),
            Message::Opening,
            Message::Opened(1_500),
            Message::Checked(Box::default()),
            Message::Intended(Intended { space, writer, last }),
            Message::Acknowledged(Acknowledged { space, writer, last, revision, head, folded, base, when: 7 }),
            Message::Failed("the disk is full".into()),
        ] {
            assert_eq!(message.to_string().parse(), Ok(message));
        }
    }

    #[test]
    fn a_line_cut_short_is_no_message() {
        for line in ["", "done 1 2 3", "begin 1 2", "begin 1 2 x", "checked {", "open"] {
            assert!(line.parse::<Message>().is_err(), "{line}");
        }
    }
}
