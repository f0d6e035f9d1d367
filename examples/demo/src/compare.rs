//! Whether all four have the same log and show the same.

use std::fmt;

use client_view::Digest;

use crate::{DemoError, Stage};

/// How the server or a device stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What it is called.
    pub name: String,
    /// Bundles in its log.
    pub bundles: u64,
    /// What its log and its views come to.
    pub digest: Digest,
    /// Changes that the server has not answered for yet. None at the server.
    pub pending: u64,
    /// Changes that the server has refused, and nobody has dealt with.
    pub refused: u64,
}

/// All that can be looked at: the server, if it runs, and then the devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Each of them.
    pub standings: Vec<Standing>,
    /// Whether the server is among them.
    pub with_server: bool,
}

impl Comparison {
    /// Looks at all of them.
    ///
    /// # Errors
    /// [`DemoError`].
    pub async fn of(stage: &Stage) -> Result<Self, DemoError> {
        let mut standings = Vec::new();
        if let Some((digest, bundles)) = stage.server.digest().await? {
            standings.push(Standing { name: "Server".into(), bundles, digest, pending: 0, refused: 0 });
        }
        let with_server = !standings.is_empty();
        for seat in &stage.seats {
            let (digest, status) = (seat.client.digest().await?, seat.client.status().await?);
            let (bundles, name) = (status.head.get(), seat.client.name().to_owned());
            standings.push(Standing { name, bundles, digest, pending: status.pending, refused: status.refused });
        }
        Ok(Self { standings, with_server })
    }

    /// Whether the logs of all four are equal, and so is what they show, and nothing waits for the server or for a person.
    pub fn all_equal(&self) -> bool {
        let first = self.standings.first().map(|standing| standing.digest);
        let equal = self.standings.iter().all(|standing| Some(standing.digest) == first);
        let quiet = self.standings.iter().all(|standing| standing.pending == 0 && standing.refused == 0);
        self.with_server && equal && quiet
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Standing { name, bundles, digest, pending, refused } in &self.standings {
            writeln!(f, "{name:<13} {bundles:>3} bundles, {digest}, {pending} pending, {refused} refused")?;
        }
        f.write_str(if self.all_equal() { "All four are equal." } else { "They differ." })
    }
}
