//! The layout as a backend of `syncline-embedded`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;
use syncline::format::Head;
use syncline::store::draft::{Bounds, Draft};
use syncline::store::{Durability, RowKey, RowRange, StoreError};
use syncline::{LogId, Position, ReplicaId, Seq, SpaceId, ViewId};
use syncline_embedded::{At, Backend, EachRow, EachRun, Failure, Found, Session};

use crate::backend::{KeyValue, Snapshot};
use crate::changes::Changes;
use crate::error::{Fault, Result};
use crate::keys::{Place, SpaceKey};
use crate::record::{Status, encode_head};
use crate::{log, rows, schema};

/// A key-value database that holds the layout.
#[derive(Debug)]
pub(crate) struct Layout<K>(pub(crate) K);

/// The map at one moment, and what is known of its spaces.
pub(crate) struct Reading<S> {
    pub(crate) snapshot: S,
    statuses: RefCell<BTreeMap<SpaceKey, Rc<Status>>>,
}

impl<S: Snapshot> Reading<S> {
    pub(crate) fn new(snapshot: S) -> Self {
        Self { snapshot, statuses: RefCell::default() }
    }

    /// What a space is at. It is read once.
    fn status(&self, space: &Place) -> Result<Rc<Status>> {
        if let Some(known) = self.statuses.borrow().get(&space.key) {
            return Ok(known.clone());
        }
        let status = Rc::new(schema::status(&self.snapshot, space)?);
        self.statuses.borrow_mut().insert(space.key, status.clone());
        Ok(status)
    }
}

impl<S: Snapshot> Session for Reading<S> {
    type Key = SpaceKey;
    type Fault = Fault;

    fn at(&self, space: &Place) -> Result<At> {
        let status = self.status(space)?;
        Ok(At { log: status.log, revision: status.revision, head: status.head, base: status.base })
    }

    fn spaces(&self) -> Result<Vec<SpaceId>> {
        schema::spaces(&self.snapshot)
    }

    fn runs(&self, space: &Place, after: Position, each: &mut EachRun<'_>) -> Result<()> {
        log::runs(&self.snapshot, space, after, each)
    }

    fn runs_of(&self, space: &Place, origin: ReplicaId, first: Seq, each: &mut EachRun<'_>) -> Result<()> {
        log::runs_of(&self.snapshot, space, origin, first, each)
    }

    fn head_of(&self, space: &Place, origin: ReplicaId) -> Result<Seq> {
        log::head_of(&self.snapshot, space, origin)
    }

    fn load(&self, space: &Place, keys: &[RowKey]) -> Result<Vec<Option<Bytes>>> {
        rows::load(&self.snapshot, space, &*self.status(space)?, keys)
    }

    fn rows(&self, space: &Place, view: &ViewId, range: &RowRange, each: &mut EachRow<'_>) -> Result<()> {
        match self.status(space)?.views.get(view) {
            Some(view) => rows::each(&self.snapshot, space, *view, range, each),
            None => Ok(()),
        }
    }
}

impl<K: KeyValue> Backend for Layout<K> {
    const BOUNDS: Bounds = Bounds { backend: K::NAME, position: Position::new(u64::MAX), number: u64::MAX };
    const PACKED_BYTES: usize = K::PACKED_BYTES;

    type Key = SpaceKey;
    type Reader = ();
    type Writer = ();
    type Session<'a> = Reading<K::Snapshot<'a>>;
    type Changes = Changes;
    type Learned = ();
    type Fault = Fault;

    fn tell(&self, fault: Fault) -> StoreError {
        fault.of(K::NAME)
    }

    fn read<T>(&self, (): &mut (), ask: impl FnOnce(&Self::Session<'_>) -> Result<T>) -> Result<T> {
        ask(&Reading::new(self.0.snapshot()?))
    }

    fn transaction<T>(
        &self,
        (): &mut (),
        body: impl FnOnce(&Self::Session<'_>, &mut Changes) -> Result<T>,
    ) -> Result<T, Failure> {
        let mut changes = Changes::default();
        let planned = self.0.snapshot().map_err(Fault::from);
        let planned = planned.and_then(|snapshot| body(&Reading::new(snapshot), &mut changes));
        let value = planned.map_err(|fault| Failure::Unchanged(self.tell(fault)))?;
        if !changes.is_empty() {
            self.0.write(&changes).map_err(Failure::Unknown)?;
        }
        Ok(value)
    }

    fn find(session: &Self::Session<'_>, name: &SpaceId) -> Result<Option<Found<SpaceKey>>> {
        schema::find(&session.snapshot, name)
    }

    fn create(session: &Self::Session<'_>, changes: &mut Changes, name: &SpaceId, log: LogId) -> Result<SpaceKey> {
        schema::create(&session.snapshot, changes, name, log)
    }

    fn write(session: &Self::Session<'_>, changes: &mut Changes, space: &Place, draft: &Draft<'_>) -> Result<()> {
        let mut status = (*session.status(space)?).clone();
        if draft.is_replaced {
            log::clear(&session.snapshot, changes, space)?;
            (status.log, status.heads) = (draft.log, 0);
        }
        for (end, last) in draft.runs.removed() {
            log::remove(changes, space, end, last.origin, last.seq);
        }
        if draft.is_trimmed() {
            log::trim(&session.snapshot, changes, space, draft.before().base, draft.base)?;
        }
        draft.runs.inserted().into_iter().for_each(|stored| log::put(changes, space, stored));
        rows::write(&session.snapshot, changes, space, &mut status, draft)?;
        for (origin, head) in &draft.heads {
            match head {
                Some(head) => changes.put(space.key.head(*origin), &[&encode_head(*head)]),
                None => changes.delete(space.key.head(*origin)),
            }
            let was_there = !draft.is_replaced && draft.before().heads[origin] != Head::NONE;
            status.heads = status.heads + u32::from(head.is_some()) - u32::from(was_there);
        }
        (status.revision, status.head, status.base, status.clock) =
            (draft.revision, draft.head, draft.base, draft.clock);
        changes.put(space.key.status(), &[&status.encode()]);
        Ok(())
    }

    fn learn(_: &Place, (): ()) {}

    fn in_place(&self) -> Result<(), StoreError> {
        self.0.in_place()
    }

    fn durability(&self) -> Durability {
        self.0.durability()
    }
}
