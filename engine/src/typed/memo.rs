//! What was decoded from one event, kept from the planning of a fold to its end.

use std::any::Any;
use std::sync::{Arc, OnceLock};

/// The decoded forms of one event, one per enum that reads it: nearly always one or none. Takes no heap until there is one.
#[derive(Debug, Default)]
pub(crate) struct Memo(OnceLock<Box<Form>>);

#[derive(Debug)]
struct Form {
    event: Arc<dyn Any + Send + Sync>,
    next: Memo,
}

impl Memo {
    /// Whether nothing was decoded.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.get().is_none()
    }

    /// The event as an `E`, if it was kept.
    pub(super) fn get<E: Any + Send + Sync>(&self) -> Option<Arc<E>> {
        let form = self.0.get()?;
        form.event.clone().downcast().ok().or_else(|| form.next.get())
    }

    /// Keeps a decoded form.
    pub(super) fn keep(&self, event: Arc<dyn Any + Send + Sync>) {
        let kept = self.0.set(Box::new(Form { event, next: Self::default() }));
        if let (Err(form), Some(first)) = (kept, self.0.get()) {
            first.next.keep(form.event);
        }
    }
}
