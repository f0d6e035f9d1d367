//! Where a portable log goes.

use syncline::portable::{Importer, Part};
use syncline::store::Storage;

use super::source::Piece;
use crate::control::Answer;
use crate::failure::Failure;
use crate::output::Output;

/// A store that takes a portable log.
#[derive(Debug)]
pub(super) enum Target<'a> {
    /// Open in this process.
    Store {
        storage: &'a dyn Storage,
        /// Once the log has told its space.
        importer: Option<Importer>,
    },
    /// Open in a running server.
    Server(Answer),
}

impl Target<'_> {
    /// Takes the next piece.
    ///
    /// # Errors
    /// [`Failure::Import`]; [`Failure`] of the store or of the way to the server.
    pub(super) async fn take(&mut self, piece: Piece) -> Result<(), Failure> {
        let (storage, importer) = match self {
            Self::Store { storage, importer } => (storage, importer),
            Self::Server(answer) => return answer.send(&piece.bytes).await,
        };
        for part in piece.parts {
            match (part, &mut *importer) {
                (Part::Header(header), _) => {
                    let store = storage.open(&header.space).await?;
                    *importer = Some(Importer::begin(store, header).await?);
                }
                (part, Some(importer)) => importer.take(part).await?,
                (_, None) => unreachable!("a reader gives the header first"),
            }
        }
        Ok(())
    }

    /// Ends it, and answers how many bundles were new to a store in this process; a server says that itself.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub(super) async fn finish(self, out: &mut Output) -> Result<Option<u64>, Failure> {
        match self {
            Self::Store { importer: Some(importer), .. } => Ok(Some(importer.finish().await?.added)),
            Self::Store { importer: None, .. } => Ok(None),
            Self::Server(answer) => answer.finish(out).await.map(|()| None),
        }
    }
}
