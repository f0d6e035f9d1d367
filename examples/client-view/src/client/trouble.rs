//! What is the matter, and what to do: for a person.

use std::fmt;

use syncline::TransportError;
use syncline::protocol::Code;
use syncline::replica::{SyncError, SyncReport};

/// What is the matter, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What is the matter.
    pub what: String,
    /// What to do.
    pub advice: String,
    /// Whether it stays so until somebody does something. Everything else is tried again without help.
    pub lasting: bool,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.what, self.advice)
    }
}

impl std::error::Error for Trouble {}

impl Trouble {
    /// It stays so until somebody follows the advice.
    pub fn lasting(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { what: what.into(), advice: advice.into(), lasting: true }
    }

    /// It may pass by itself.
    pub fn passing(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { what: what.into(), advice: advice.into(), lasting: false }
    }

    /// The device is off the network.
    pub fn offline() -> Self {
        Self::lasting("This device is offline.", "Go online to sync. What you change is saved here meanwhile.")
    }

    /// Nobody may read or write it any more.
    pub(super) fn closed() -> Self {
        Self::lasting("The store is closed.", "Choose Try again, or start the program again.")
    }

    /// The server knows this replica as another device's.
    fn not_owner() -> Self {
        Self::lasting(
            "The server does not take changes of this device: its replica belongs to another device there.",
            "Use the token of the device that made this folder, or ask who runs the server to move the claim.",
        )
    }

    /// Nobody has named a server.
    pub fn no_server() -> Self {
        Self::lasting("This device has no server.", "Start the program with --server to sync.")
    }

    /// The sync was broken off by this program.
    pub fn interrupted() -> Self {
        Self::passing("The sync was interrupted, because something else was changed here.", "Sync again.")
    }

    /// Why a sync did not come to its end.
    pub fn of_sync(error: &SyncError) -> Self {
        match error {
            SyncError::Transport(error) => Self::of_way(error),
            SyncError::Replica(error) => Self::passing(
                format!("The store of this device failed: {error}."),
                "Mend what it names. It is tried again.",
            ),
            SyncError::NotOwner { .. } => Self::not_owner(),
            SyncError::Replaced => {
                Self::passing("The server's log was replaced during the sync.", "It is tried again.")
            }
            other => Self::lasting(format!("{other}."), "Nothing was lost: keep this folder, and look at the server."),
        }
    }

    fn of_way(error: &TransportError) -> Self {
        const KEPT: &str = "What you change is saved here meanwhile.";
        let TransportError::Refused(problem) = error else {
            let what = match error {
                TransportError::Unreachable(_) => "The server cannot be reached",
                TransportError::Interrupted(_) => "The connection to the server broke",
                TransportError::Foreign { .. } => "Somebody on the way to the server answered in its place",
                _ => "What answered does not speak Syncline",
            };
            let advice = format!("Check the address, the network and that the server runs. It is tried again. {KEPT}");
            return Self::passing(format!("{what}: {}.", innermost(error)), advice);
        };
        match problem.code {
            Code::Unauthorized => Self::lasting(
                "The server does not know this device's token: it has expired, or it was revoked.",
                format!("Get a new token, and start the program with it. {KEPT}"),
            ),
            Code::Forbidden { ref origins } if !origins.is_empty() => Self::not_owner(),
            Code::Forbidden { .. } => Self::lasting(
                format!("This device may not do that at the server: {problem}."),
                format!("Ask the space's owner for the right to write. {KEPT}"),
            ),
            Code::UnknownSpace => Self::lasting(
                "The server has no such space, or hides it from this device.",
                format!("Check the space's name, and ask its owner to let this device in. {KEPT}"),
            ),
            Code::Busy { .. } | Code::Internal => Self::passing(
                format!("The server is busy or has failed: {problem}."),
                format!("It is tried again. {KEPT}"),
            ),
            _ => Self::lasting(format!("The server refused: {problem}."), KEPT),
        }
    }

    /// Why a sync that came to its end has left something out.
    pub fn of_report(report: &SyncReport) -> Option<Self> {
        let held = report.held.map(|held| {
            let what = format!("A change from another device is dated too far in the future: {}.", held.drift);
            Self::passing(what, "It is taken once its time has come near, or once this device's clock is set.")
        });
        let waiting = report.waiting.map(|waiting| {
            let what = format!("{} changes wait, because the server does not take their times yet.", waiting.bundles);
            Self::passing(what, "Set this device's clock. They are offered again.")
        });
        let oversized = report.oversized.as_ref().map(|_| {
            let what = "A change is too large for somebody on the way to the server.";
            Self::lasting(what, "Raise the size that the proxy lets through.")
        });
        let stopped = report.stopped.as_ref().map(|problem| Self::of_way(&TransportError::Refused(problem.clone())));
        held.or(waiting).or(oversized).or(stopped)
    }
}

/// What lies at the bottom of an error: what the operating system said, mostly.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string().trim_end_matches('.').to_owned()
}
