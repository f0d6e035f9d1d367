//! Peers that are wrong about their snapshots, and devices that are wrong about those that they hand in.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use syncline::format::Head;
use syncline::protocol::{Answer, AskSnapshot, Piece, Reply, Request, SnapshotInfo, Supply};
use syncline::snapshot::{Manifest, RowWriter, SnapshotId};
use syncline::transport::forward_watch;
use syncline::{SpaceId, Transport, TransportError};

use crate::lock::locked;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// A snapshot is said to cover one bundle more than it does.
    CoversTooFar,
    /// In place of the newest snapshot an older one is handed out.
    Stale,
    /// The heads leave out an origin whose bundles are in the rows.
    HeadsTooShort,
    /// The heads name a bundle that nobody has written.
    HeadsTooFar,
    /// There are no rows.
    LacksRows,
    /// There are no rows in what a device hands in.
    HandsInNothing,
}

/// A way with one flaw. All else passes as it is.
#[derive(Debug)]
pub(crate) struct SnapshotWay {
    flaw: Flaw,
    inner: Arc<dyn Transport>,
    /// Manifests that were forged, by their names, each with the name of the snapshot that it was made of.
    forged: Mutex<BTreeMap<SnapshotId, (SnapshotId, Bytes)>>,
}

impl SnapshotWay {
    pub(crate) fn new(flaw: Flaw, inner: Arc<dyn Transport>) -> Self {
        Self { flaw, inner, forged: Mutex::default() }
    }

    async fn list(&self, space: SpaceId) -> Result<Answer, TransportError> {
        let mut answer = self.inner.call(Request::Snapshot(space.clone(), AskSnapshot::List)).await?;
        let Reply::Snapshots(list) = &mut answer.reply else { return Ok(answer) };
        match self.flaw {
            Flaw::CoversTooFar => list.iter_mut().for_each(|info| info.covers.position = info.covers.position.plus(1)),
            Flaw::Stale => {
                if let [newest, older] = &mut list[..] {
                    newest.id = older.id;
                    list.truncate(1);
                }
            }
            Flaw::HeadsTooShort | Flaw::HeadsTooFar | Flaw::LacksRows => {
                for info in list {
                    self.forge(&space, info).await?;
                }
            }
            Flaw::HandsInNothing => {}
        }
        Ok(answer)
    }

    /// Makes a manifest that is wrong, and tells of it in place of the right one.
    async fn forge(&self, space: &SpaceId, info: &mut SnapshotInfo) -> Result<(), TransportError> {
        let asked = Request::Snapshot(space.clone(), AskSnapshot::Manifest(info.id));
        if let Reply::Piece(Piece(bytes)) = self.inner.call(asked).await?.reply
            && let Some((bytes, id)) = forged(self.flaw, &bytes)
        {
            locked(&self.forged).insert(id, (info.id, bytes));
            info.id = id;
        }
        Ok(())
    }

    async fn manifest(&self, space: SpaceId, id: SnapshotId) -> Result<Answer, TransportError> {
        let forged = locked(&self.forged).get(&id).cloned();
        let right = forged.as_ref().map_or(id, |(right, _)| *right);
        let mut answer = self.inner.call(Request::Snapshot(space, AskSnapshot::Manifest(right))).await?;
        if let (Reply::Piece(Piece(bytes)), Some((_, forged))) = (&mut answer.reply, forged) {
            *bytes = forged;
        }
        Ok(answer)
    }
}

/// A manifest that is wrong in this way.
fn forged(flaw: Flaw, bytes: &[u8]) -> Option<(Bytes, SnapshotId)> {
    let (mut manifest, _) = Manifest::decode(bytes).ok()?;
    let heads = manifest.heads.clone();
    match flaw {
        Flaw::HeadsTooShort => manifest.heads = heads.iter().skip(1).collect(),
        Flaw::HeadsTooFar => {
            let (origin, head) = heads.iter().next()?;
            manifest.heads.set(origin, Head { seq: head.seq.plus(1), ..head });
        }
        _ => {
            let mut views = manifest.views.iter().map(|of| of.view.clone());
            let mut writer = RowWriter::new(views.next()?);
            views.for_each(|view| writer.next_view(view));
            let (_, views) = writer.finish();
            (manifest.views, manifest.chunks) = (views, Vec::new());
        }
    }
    manifest.encode().ok()
}

#[async_trait]
impl Transport for SnapshotWay {
    async fn call(&self, request: Request) -> Result<Answer, TransportError> {
        match request {
            Request::Snapshot(space, AskSnapshot::List) => self.list(space).await,
            Request::Snapshot(space, AskSnapshot::Manifest(id)) => self.manifest(space, id).await,
            Request::Supply(space, Supply::Manifest(Piece(bytes))) if self.flaw == Flaw::HandsInNothing => {
                let bytes = forged(self.flaw, &bytes).map_or(bytes, |(forged, _)| forged);
                self.inner.call(Request::Supply(space, Supply::Manifest(Piece(bytes)))).await
            }
            other => self.inner.call(other).await,
        }
    }

    forward_watch!(self.inner);
}
