//! Where a portable log goes.

use syncline::ReplicaId;
use syncline::authority::accounts::Accounts;
use syncline::portable::{Importer, Part};
use syncline::store::Storage;

use super::source::Piece;
use crate::control::Answer;
use crate::failure::Failure;
use crate::output::Output;
use crate::text::count;

/// A store that takes a portable log.
#[derive(Debug)]
pub(super) enum Target<'a> {
    /// Open in this process.
    Store {
        storage: &'a dyn Storage,
        /// Which keep whose the origins are, if the store has any.
        accounts: Option<&'a dyn Accounts>,
        /// Once the log has told its space.
        importer: Option<Importer>,
        /// Claims of the log that others have here.
        others: Vec<ReplicaId>,
    },
    /// Open in a running server.
    Server(Answer),
}

impl<'a> Target<'a> {
    /// Takes the next piece.
    ///
    /// # Errors
    /// [`Failure::Import`]; [`Failure`] of the store or of the way to the server.
    pub(super) async fn take(&mut self, piece: Piece) -> Result<(), Failure> {
        let (storage, accounts, importer, others) = match self {
            Self::Store { storage, accounts, importer, others } => (storage, accounts, importer, others),
            Self::Server(answer) => return answer.send(&piece.bytes).await,
        };
        for part in piece.parts {
            match (part, &mut *importer) {
                (Part::Header(header), _) => {
                    let store = storage.open(&header.space).await?;
                    *importer = Some(Importer::begin(store, header).await?);
                }
                (Part::Claims(claims), _) => {
                    if let Some(accounts) = accounts {
                        others.extend(accounts.add_claims(&claims).await?);
                    }
                }
                (part, Some(importer)) => importer.take(part).await?,
                (_, None) => unreachable!("a reader gives the header first"),
            }
        }
        Ok(())
    }

    /// A store that this process has open.
    pub(super) fn store(storage: &'a dyn Storage, accounts: Option<&'a dyn Accounts>) -> Self {
        Self::Store { storage, accounts, importer: None, others: Vec::new() }
    }

    /// Ends it, and answers how many bundles were new to a store in this process; a server says that itself.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub(super) async fn finish(self, out: &mut Output) -> Result<Option<u64>, Failure> {
        match self {
            Self::Store { importer: Some(importer), others, .. } => {
                let added = importer.finish().await?.added;
                if !others.is_empty() {
                    let many = count(others.len() as u64, "replica");
                    out.note(format!(
                        "{many} of the log belong to other devices here, and keep their owners: see `claim list`"
                    ))
                    .await?;
                }
                Ok(Some(added))
            }
            Self::Store { importer: None, .. } => Ok(None),
            Self::Server(answer) => answer.finish(out).await.map(|()| None),
        }
    }
}
