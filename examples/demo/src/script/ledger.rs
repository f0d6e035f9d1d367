//! What was written, to be looked for at the end.

use std::collections::BTreeMap;

use client_view::views::History;
use client_view::{Change, EntryId};
use syncline::Replica;

use crate::DemoError;

/// Everything that a scenario has written, apart from the replicas.
#[derive(Debug, Default)]
pub struct Ledger {
    texts: Vec<(EntryId, String)>,
    votes: BTreeMap<EntryId, i64>,
}

impl Ledger {
    /// A text was written into an entry: a title, a note, a tag.
    pub fn wrote(&mut self, entry: EntryId, text: &str) {
        self.texts.push((entry, text.to_owned()));
    }

    /// Somebody voted for an entry.
    pub fn voted(&mut self, entry: EntryId, by: i64) {
        *self.votes.entry(entry).or_default() += by;
    }

    /// What was written and is not in the history of its entry, in words.
    ///
    /// # Errors
    /// [`DemoError::Replica`].
    pub async fn missing(&self, replica: &Replica) -> Result<Vec<String>, DemoError> {
        let mut missing = Vec::new();
        for (entry, text) in &self.texts {
            let found = changes(replica, *entry).await?.iter().any(|change| change.text() == Some(text));
            if !found {
                missing.push(format!("\"{text}\""));
            }
        }
        for (entry, given) in &self.votes {
            let counted: i64 = changes(replica, *entry).await?.iter().map(votes).sum();
            if counted != *given {
                missing.push(format!("votes: {given} were given, {counted} are counted"));
            }
        }
        Ok(missing)
    }
}

fn votes(change: &Change) -> i64 {
    if let Change::Voted { by, .. } = change { *by } else { 0 }
}

async fn changes(replica: &Replica, entry: EntryId) -> Result<Vec<Change>, DemoError> {
    let history = replica.view(History)?.get(entry.as_bytes()).await?.unwrap_or_default();
    Ok(history.iter().map(|(_, line)| line.change.clone()).collect())
}
