//! Typed events: an enum says what can happen, and its events are encoded, decoded, upcast and dispatched from it.
//!
//! Write an enum with serde's derives. Each variant is one *event type*. Its serde name is the event type with its version, as
//! `todo.added@1`. The enum implements [`TypedEvent`], and a projection that folds it is a [`TypedProjection`].
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use syncline::crdt::Lww;
//! use syncline::projection::Keys;
//! use syncline::typed::{Meta, TypedEvent, TypedProjection};
//! use syncline::{Unreadable, ViewId};
//!
//! /// What can happen to a to-do list.
//! #[derive(Debug, Serialize, Deserialize)]
//! enum Todo {
//!     #[serde(rename = "todo.added@1")]
//!     Added { title: String },
//!     #[serde(rename = "todo.done@1")]
//!     Done { title: String, done: bool },
//! }
//!
//! impl TypedEvent for Todo {}
//!
//! /// One row per title: whether it is done. The latest word wins.
//! struct Todos;
//!
//! impl TypedProjection for Todos {
//!     type Event = Todo;
//!     type State = Lww<bool>;
//!
//!     fn view(&self) -> ViewId {
//!         ViewId::new("todos@1").expect("the name is well formed")
//!     }
//!
//!     fn keys(&self, event: &Todo, keys: &mut Keys) {
//!         let (Todo::Added { title } | Todo::Done { title, .. }) = event;
//!         keys.push(title.as_bytes());
//!     }
//!
//!     fn apply(&self, _: &[u8], row: &mut Lww<bool>, event: &Todo, meta: Meta) -> Result<(), Unreadable> {
//!         row.set(meta.stamp, matches!(event, Todo::Done { done: true, .. }));
//!         Ok(())
//!     }
//! }
//!
//! # use std::sync::Arc;
//! # use syncline::{LogId, MemoryStore, Replica, ReplicaId, SpaceId};
//! # futures_executor::block_on(async {
//! # let store = Arc::new(MemoryStore::new(LogId::from_bytes([1; 16]).expect("not zero")));
//! # let id = ReplicaId::from_bytes([2; 16]).expect("not zero");
//! # let space = SpaceId::new("household").unwrap();
//! let replica = Replica::compose(space, store).projection(Todos).open(id).await.unwrap();
//! replica.write(&[Todo::Added { title: "milk".into() }]).await.unwrap();
//! replica.write(&[Todo::Done { title: "milk".into(), done: true }]).await.unwrap();
//! let milk = replica.view(Todos).unwrap().get(b"milk").await.unwrap();
//! assert_eq!(milk.unwrap().get(), Some(&true));
//! # });
//! ```
//!
//! # Versions
//!
//! An event is written once and read for ever, also by programs that are older or newer than its writer. These are the rules:
//!
//! * **A field that may be missing needs no new version.** Give it `#[serde(default)]`. Older programs skip fields that they do
//!   not know.
//! * **Every other change is a new version.** Change the variant, raise the number in its name, and say in
//!   [`TypedEvent::upcast`] how the payload of the version before becomes one of this version. Versions are upcast step by
//!   step, so each step is written once. Names of fields and of variants inside the payload count as the form, too.
//! * **An older form that still reads as it is** may stay next to the name: `#[serde(rename = "todo.added@2", alias =
//!   "todo.added@1")]`.
//! * **A newer version than the enum knows is put aside**, never overlooked: the replica does not say that it is in sync. The
//!   event is folded once the program has been upgraded.
//! * **A type that the enum does not know is none of its business.** It is stored and forwarded like any other.
//!
//! # Payload bytes
//!
//! A payload is JSON, as serde_json writes it without white space. A variant with named fields is an object, with the fields in the
//! order of the enum. A variant that wraps one value is that value, a variant with several unnamed fields is an array, and a
//! variant without fields is `{}`. The bytes are part of the log for ever. They are never hashed again from the value, so a map with
//! another order of keys is harmless.
//!
//! Serde attributes that change the tag of the enum itself (`tag`, `content`, `untagged`) are refused when an event is written.

use std::borrow::Cow;
use std::fmt::Display;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;

use crate::format::event::{Event, EventRef, EventType};
use crate::format::time::Stamp;
use crate::id::Dot;
use crate::projection::{Keys, Moved, Projection, Reads, RowState, Unreadable};
use crate::store::ViewId;

mod memo;
mod payload;
#[cfg(test)]
mod tests;

pub(crate) use memo::Memo;

/// An enum whose variants are event types. See the [module](self) for how to write one.
pub trait TypedEvent: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The payload of version `version + 1` of this event type, made from one of `version`. Pure.
    ///
    /// It is called for versions that the enum does not have, once per step, until it has reached one that the enum has. Work on
    /// the JSON itself, or read it as the struct that it was.
    ///
    /// ```
    /// use serde::{Deserialize, Serialize};
    /// use serde_json::Value;
    /// use syncline::{Event, EventType, Unreadable, typed::TypedEvent};
    ///
    /// /// Version 1 had `euros`, a number of whole euros.
    /// #[derive(Debug, PartialEq, Serialize, Deserialize)]
    /// enum Expense {
    ///     #[serde(rename = "expense.added@2")]
    ///     Added { cents: i64 },
    /// }
    ///
    /// impl TypedEvent for Expense {
    ///     fn upcast(name: &str, version: u16, payload: Value) -> Result<Value, Unreadable> {
    ///         #[derive(Deserialize)]
    ///         struct Added1 {
    ///             euros: i64,
    ///         }
    ///         match (name, version) {
    ///             ("expense.added", 1) => {
    ///                 let Added1 { euros } = serde_json::from_value(payload)?;
    ///                 Ok(serde_json::json!({ "cents": euros * 100 }))
    ///             }
    ///             _ => Err(Unreadable::no_upcaster()),
    ///         }
    ///     }
    /// }
    ///
    /// let old = Event::new(EventType::new("expense.added", 1), r#"{"euros":3}"#);
    /// assert_eq!(old.read(), Ok(Some(Expense::Added { cents: 300 })));
    /// ```
    ///
    /// # Errors
    /// [`Unreadable`] if the payload makes no sense, or if there is no upcaster from this version. The event is put aside then.
    fn upcast(_name: &str, _version: u16, _payload: Value) -> Result<Value, Unreadable> {
        Err(Unreadable::no_upcaster())
    }

    /// The event types that the enum has, with their versions. Variants whose serde name is no event type are not among them.
    fn types() -> Vec<EventType> {
        payload::types::<Self>()
    }

    /// The event to be written: its event type is the variant's serde name, its payload the variant's fields.
    ///
    /// # Errors
    /// [`Unwritable`] if the variant's name is no event type with a version, if serde cannot encode the value as JSON, or if what
    /// was encoded cannot be read back, as a number that is not finite.
    fn to_event(&self) -> Result<Event, Unwritable> {
        payload::encode(self)
    }
}

/// An event that cannot be written. It is a fault in the enum or in the value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the event cannot be written: {reason}")]
pub struct Unwritable {
    /// Why, for a person.
    pub reason: String,
}

impl Unwritable {
    fn new(reason: impl Display) -> Self {
        Self { reason: reason.to_string() }
    }
}

/// Where an event comes from and when it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meta {
    /// The bundle it belongs to; `dot.origin` is the replica that wrote it.
    pub dot: Dot,
    /// Its place in the order of all events: what decides which of two writes is the later one.
    pub stamp: Stamp,
}

/// A [`Projection`] that sees events of its enum, decoded, in place of names and bytes.
///
/// The same laws hold: a row must depend on the set of events alone. Every typed projection is a [`Projection`], so that
/// whatever takes one takes it, too. Each payload is decoded once, for all projections that share the enum. Events that do not
/// decode are put aside with a message that names their type, their version and the cause.
pub trait TypedProjection: Send + Sync + 'static {
    /// The events that it folds.
    type Event: TypedEvent;
    /// One row's state. Any serde type will do; [`RowState`] lets it choose its bytes.
    type State: RowState;

    /// Name and version of the view. A new version is a new view, built next to the old one.
    fn view(&self) -> ViewId;

    /// The rows that this event touches. Pure. None: not my event.
    fn keys(&self, event: &Self::Event, keys: &mut Keys);

    /// Folds one event into one row. Pure.
    ///
    /// # Errors
    /// [`Unreadable`] if the event makes no sense to this version. The row must then be as it was.
    fn apply(&self, key: &[u8], row: &mut Self::State, event: &Self::Event, meta: Meta) -> Result<(), Unreadable>;

    /// What an own event becomes when own events get other stamps, before anybody else has seen them (see [`Moved`]); `None` if
    /// it stays. Only for events that name stamps, such as the contexts of the CRDTs.
    fn moved(&self, _event: &Self::Event, _stamps: &Moved) -> Option<Self::Event> {
        None
    }
}

impl<P: TypedProjection> Projection for P {
    type State = P::State;

    fn view(&self) -> ViewId {
        TypedProjection::view(self)
    }

    /// The enum's types, in all versions up to those that it has. Newer ones are put aside.
    fn reads(&self) -> Reads {
        Reads::types(P::Event::types()).and_older()
    }

    fn keys(&self, event: &EventRef<'_>, keys: &mut Keys) {
        match event.read::<P::Event>() {
            Ok(Some(event)) => TypedProjection::keys(self, &event, keys),
            Ok(None) => {}
            Err(unreadable) => keys.refuse(unreadable.reason),
        }
    }

    fn apply(&self, key: &[u8], row: &mut P::State, event: &EventRef<'_>) -> Result<(), Unreadable> {
        let meta = Meta { dot: event.dot, stamp: event.stamp };
        match event.read::<P::Event>()? {
            Some(event) => TypedProjection::apply(self, key, row, &event, meta),
            None => Err(Unreadable::new(format!("{} is not an event type of this projection", event.event_type()))),
        }
    }

    fn moved(&self, event: &EventRef<'_>, stamps: &Moved) -> Option<Event> {
        let event = event.read::<P::Event>().ok()??;
        TypedProjection::moved(self, &event, stamps)?.to_event().ok()
    }
}

impl EventRef<'_> {
    /// The event as a value of the enum `E`. `None` if `E` does not have its type.
    ///
    /// # Errors
    /// [`Unreadable`] if the payload does not decode, or if its version is newer than `E` knows. The reason names the type, the
    /// version and the cause.
    pub fn read<E: TypedEvent>(&self) -> Result<Option<Arc<E>>, Unreadable> {
        if let Some(known) = self.memo.and_then(Memo::get) {
            return Ok(Some(known));
        }
        let event = payload::decode::<E>(self.name, self.version, self.payload)?.map(Arc::new);
        if let (Some(memo), Some(event)) = (self.memo, &event) {
            memo.keep(event.clone());
        }
        Ok(event)
    }
}

impl Event {
    /// The event as a value of the enum `E`, for one that is in no log yet or comes from a dead letter. `None` if `E` does not have
    /// its type.
    ///
    /// # Errors
    /// As [`EventRef::read`].
    pub fn read<E: TypedEvent>(&self) -> Result<Option<E>, Unreadable> {
        payload::decode(self.event_type.name(), self.event_type.version(), &self.payload)
    }
}

/// What [`Replica::write`](crate::Replica::write) takes: an [`Event`], or a value of a [`TypedEvent`].
pub trait ToEvents: Sized + Sync {
    /// The events to be written.
    ///
    /// # Errors
    /// [`Unwritable`], as [`TypedEvent::to_event`].
    fn to_events(these: &[Self]) -> Result<Cow<'_, [Event]>, Unwritable>;
}

impl ToEvents for Event {
    fn to_events(these: &[Self]) -> Result<Cow<'_, [Event]>, Unwritable> {
        Ok(these.into())
    }
}

impl<E: TypedEvent> ToEvents for E {
    fn to_events(these: &[Self]) -> Result<Cow<'_, [Event]>, Unwritable> {
        these.iter().map(E::to_event).collect()
    }
}
