//! What an embedded database provides: its layout of logs and rows, and transactions.

use std::fmt::{self, Debug};
use std::ops::ControlFlow;

use bytes::Bytes;
use syncline::id::Revision;
use syncline::store::draft::{Bounds, Draft};
use syncline::store::{Durability, LogStatus, RowKey, RowRange, StoreError, StoredRun};
use syncline::{LogId, Position, ReplicaId, Seq, SpaceId, ViewId};

/// An embedded database, as a layout of logs and rows. All methods block: threads of this crate call them.
///
/// A panic is caught. In a read it is taken for damage; in a transaction it ends the use of the handle.
pub trait Backend: Debug + Send + Sync + Sized + 'static {
    /// The backend's name in errors, and the largest numbers that it can keep.
    const BOUNDS: Bounds;

    /// Small runs of one origin at the end of a log are joined to runs of up to about this many bytes: as large as the backend
    /// keeps well.
    const PACKED_BYTES: usize;

    /// What names a space in the layout. It may hold what the backend knows of the space in memory.
    type Key: Debug + Clone + Send + Sync + 'static;

    /// What a reading thread owns, as a connection.
    type Reader: Send + 'static;

    /// What the writing thread owns. It is dropped last of all, when the database is closed.
    type Writer: Send + 'static;

    /// The database as one transaction sees it.
    type Session<'a>: Session<Key = Self::Key, Fault = Self::Fault>;

    /// What a transaction collects to write it at its end; `()` if the backend writes at once.
    type Changes;

    /// What a written draft adds to a [`Key`](Self::Key), once it is committed.
    type Learned: Send;

    /// Why something failed, as the layout says it.
    type Fault: From<StoreError>;

    /// What a caller is told.
    fn tell(&self, fault: Self::Fault) -> StoreError;

    /// Reads from one moment: all that `ask` sees was true at the same time. It sees whole commits only, and every one that has
    /// returned. What is not durable yet may be seen.
    ///
    /// # Errors
    /// Those of `ask`, and those of the backend.
    fn read<T>(
        &self,
        reader: &mut Self::Reader,
        ask: impl FnOnce(&Self::Session<'_>) -> Result<T, Self::Fault>,
    ) -> Result<T, Self::Fault>;

    /// Runs `body` in a transaction, which is as durable as [`durability`](Self::durability) says when this returns. If `body` fails
    /// it is rolled back.
    ///
    /// # Errors
    /// Those of `body`, and those of the backend.
    fn transaction<T>(
        &self,
        writer: &mut Self::Writer,
        body: impl FnOnce(&Self::Session<'_>, &mut Self::Changes) -> Result<T, Self::Fault>,
    ) -> Result<T, Failure>;

    /// Reads a space, if it exists.
    ///
    /// # Errors
    /// Those of the backend, and damage.
    fn find(session: &Self::Session<'_>, name: &SpaceId) -> Result<Option<Found<Self::Key>>, Self::Fault>;

    /// Creates a space that does not exist.
    ///
    /// # Errors
    /// Those of the backend.
    fn create(
        session: &Self::Session<'_>,
        changes: &mut Self::Changes,
        name: &SpaceId,
        log: LogId,
    ) -> Result<Self::Key, Self::Fault>;

    /// Writes a draft of a space, which is not empty.
    ///
    /// # Errors
    /// Those of the backend.
    fn write(
        session: &Self::Session<'_>,
        changes: &mut Self::Changes,
        space: &Place<Self::Key>,
        draft: &Draft<'_>,
    ) -> Result<Self::Learned, Self::Fault>;

    /// Takes note of what was learned, now that it is committed.
    fn learn(space: &Place<Self::Key>, learned: Self::Learned);

    /// Called after each group of commits has been answered: for work that need not keep anybody waiting.
    fn tidy(&self, _writer: &mut Self::Writer) {}

    /// Whether the files are still where they were opened, so that what is written now can be found later. Asked after every
    /// transaction, before it is acknowledged: see [`files::InPlace`](crate::files::InPlace).
    ///
    /// # Errors
    /// [`StoreError::Backend`]. It ends the use of the handle.
    fn in_place(&self) -> Result<(), StoreError>;

    /// What a returned commit has survived.
    fn durability(&self) -> Durability;
}

/// Reading within a transaction.
pub trait Session {
    /// What names a space in the layout.
    type Key;

    /// Why something failed.
    type Fault: From<StoreError>;

    /// What a space is at.
    ///
    /// # Errors
    /// Those of the backend, and damage; so for all methods.
    fn at(&self, space: &Place<Self::Key>) -> Result<At, Self::Fault>;

    /// The spaces that exist, in the order of their names.
    fn spaces(&self) -> Result<Vec<SpaceId>, Self::Fault>;

    /// Shows the runs that end behind `after`, in the order of their positions, until `each` breaks off.
    fn runs(&self, space: &Place<Self::Key>, after: Position, each: &mut EachRun<'_>) -> Result<(), Self::Fault>;

    /// Shows an origin's runs from the one that holds bundle `first` on, in order, until `each` breaks off. A run that the index of
    /// origins leads to must be the one that it says: else it is damage. Whether one is missing is checked by the caller.
    fn runs_of(
        &self,
        space: &Place<Self::Key>,
        origin: ReplicaId,
        first: Seq,
        each: &mut EachRun<'_>,
    ) -> Result<(), Self::Fault>;

    /// The last bundle of an origin, as its head says; [`Seq::ZERO`] if the log has nothing of it.
    fn head_of(&self, space: &Place<Self::Key>, origin: ReplicaId) -> Result<Seq, Self::Fault>;

    /// One value per key, in the order asked.
    fn load(&self, space: &Place<Self::Key>, keys: &[RowKey]) -> Result<Vec<Option<Bytes>>, Self::Fault>;

    /// Shows the keys and values of a view's rows within a range, in its direction, until `each` breaks off. The range is not empty.
    fn rows(
        &self,
        space: &Place<Self::Key>,
        view: &ViewId,
        range: &RowRange,
        each: &mut EachRow<'_>,
    ) -> Result<(), Self::Fault>;
}

/// Is shown a run, and says whether to continue.
pub type EachRun<'a> = dyn FnMut(StoredRun) -> ControlFlow<()> + 'a;

/// Is shown a row's key and value, and says whether to continue.
pub type EachRow<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// Where a space lies, and its name.
#[derive(Debug, Clone)]
pub struct Place<K> {
    /// What names it in the layout.
    pub key: K,
    /// Its name.
    pub name: SpaceId,
}

impl<K> Place<K> {
    /// Something within the space, for people.
    pub fn at(&self, what: impl fmt::Display) -> String {
        format!("space {}, {what}", self.name)
    }
}

/// A space that exists.
#[derive(Debug)]
pub struct Found<K> {
    /// What names it in the layout.
    pub key: K,
    /// What it is at.
    pub status: LogStatus,
}

/// What a space is at, as a transaction sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    /// Which copy of the log. A replacement changes it.
    pub log: LogId,
    /// How many commits it has seen.
    pub revision: Revision,
    /// The last bundle's position.
    pub head: Position,
    /// Up to where the log is trimmed.
    pub base: Position,
}

/// How a transaction failed.
#[derive(Debug)]
pub enum Failure {
    /// Nothing has changed.
    Unchanged(StoreError),
    /// It may have happened or not, so nothing that this handle says is to be trusted any more.
    Unknown(StoreError),
}
