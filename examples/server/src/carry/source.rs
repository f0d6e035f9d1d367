//! Where a portable log comes from.

use std::path::Path;

use bytes::Bytes;
use syncline::SpaceId;
use syncline::authority::accounts::Accounts;
use syncline::portable::{End, Exporter, Header, Part, Reader};
use syncline::store::Storage;
use tokio::io::{AsyncReadExt, BufReader, Take};
use tokio::net::tcp::OwnedReadHalf;

use super::input::{Input, PIECE_BYTES};
use crate::archive;
use crate::control::{Answer, ControlError};
use crate::failure::Failure;
use crate::output::Output;
use crate::text::count;

/// The bytes of a portable log.
#[derive(Debug)]
pub(super) enum Source<'a> {
    /// From a store that this process has open.
    Store(Box<Exporter>),
    /// From the running server that has the store open.
    Server(Answer),
    /// From a file, or standard input.
    File(Input),
    /// From anyone who asked this server to take it.
    Wire(&'a mut BufReader<Take<OwnedReadHalf>>),
}

impl Source<'_> {
    /// The log of a space in an open store, and whose its origins are if there are accounts. What was trimmed comes from the archive.
    /// Looking creates nothing.
    ///
    /// # Errors
    /// [`Failure::NoLog`] if it has none; [`Failure`] of the store or of the archive.
    pub(super) async fn of(
        storage: &dyn Storage,
        accounts: Option<&dyn Accounts>,
        archive: Option<&Path>,
        space: &SpaceId,
    ) -> Result<Source<'static>, Failure> {
        if !storage.spaces().await?.contains(space) {
            return Err(Failure::NoLog(space.to_string()));
        }
        let store = storage.open(space).await?;
        let mut exporter = match archive {
            Some(folder) => Exporter::begin_whole(store, archive::open(folder)?, space.clone()).await?,
            None => Exporter::begin(store, space.clone()).await?,
        };
        if let Some(accounts) = accounts {
            let origins: Vec<_> = exporter.header().heads.iter().map(|(origin, _)| origin).collect();
            exporter = exporter.with_claims(accounts.owners(&origins).await?);
        }
        Ok(Source::Store(Box::new(exporter)))
    }

    /// The next bytes, `None` behind the last.
    ///
    /// # Errors
    /// [`Failure`] of where it comes from.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        match self {
            Self::Store(exporter) => Ok(exporter.next().await?),
            Self::Server(answer) => answer.data().await,
            Self::File(input) => input.next().await,
            Self::Wire(wire) => {
                let mut bytes = vec![0; PIECE_BYTES];
                let read = wire.read(&mut bytes).await;
                let read = read.map_err(|error| ControlError::BrokenOff { why: error.to_string() })?;
                bytes.truncate(read);
                Ok((read > 0).then(|| bytes.into()))
            }
        }
    }
}

/// A source, every byte of it verified before it is passed on.
#[derive(Debug)]
pub(super) struct Verified<'a> {
    source: Source<'a>,
    reader: Reader,
    header: Option<Header>,
    bundles: u64,
    end: Option<End>,
}

/// Some bytes of a portable log, and the parts that end in them.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) bytes: Bytes,
    pub(super) parts: Vec<Part>,
}

impl<'a> Verified<'a> {
    pub(super) fn new(source: Source<'a>) -> Self {
        Self { source, reader: Reader::new(), header: None, bundles: 0, end: None }
    }

    /// The next piece, `None` behind the last if the log was whole. Says how far it has come.
    ///
    /// # Errors
    /// [`Failure::Unreadable`] if the log is not whole; [`Failure`] of the source.
    pub(super) async fn next(&mut self, out: &mut Output) -> Result<Option<Piece>, Failure> {
        let Some(bytes) = self.source.next().await? else {
            self.reader.finish().map_err(|why| self.unreadable(why))?;
            return Ok(None);
        };
        self.reader.push(&bytes);
        let mut parts = Vec::new();
        while let Some(part) = self.reader.part().map_err(|why| self.unreadable(why))? {
            match &part {
                Part::Header(header) => self.header = Some(header.clone()),
                Part::Runs(runs) => self.bundles += runs.iter().map(|verified| verified.run().count()).sum::<u64>(),
                Part::Refusals(_) | Part::Claims(_) => {}
                Part::End(end) => self.end = Some(*end),
            }
            parts.push(part);
        }
        if let (Some(header), Source::Store(_) | Source::Server(_) | Source::File(_)) = (&self.header, &self.source) {
            out.progress(self.bundles, header.head.get()).await?;
        }
        Ok(Some(Piece { bytes, parts }))
    }

    /// What the log was, once it is read to its end.
    pub(super) fn read(&self) -> (&Header, End) {
        let header = self.header.as_ref().expect("whatever has an end has a header");
        (header, self.end.expect("it was read to its end"))
    }

    /// The same for people.
    pub(super) fn summary(&self) -> String {
        let (Header { space, .. }, End { bundles, digest, .. }) = self.read();
        format!("space {space}: {}, digest {digest}", count(bundles, "bundle"))
    }

    fn unreadable(&self, why: syncline::portable::ReadError) -> Failure {
        let what = match &self.source {
            Source::Store(_) | Source::Server(_) => "the export".to_owned(),
            Source::File(input) => input.name().to_owned(),
            Source::Wire(_) => "what was sent".to_owned(),
        };
        Failure::Unreadable { what, why }
    }
}
