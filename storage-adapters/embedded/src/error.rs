//! Panics, and failures that several callers share.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use syncline::store::{BoxError, StoreError};
use thiserror::Error;

/// Runs what may panic when it reads damaged data. A panic becomes [`StoreError::Corrupt`] at `what`.
///
/// # Errors
/// Those of `work`, and a panic's message.
pub fn guarded<T, E: From<StoreError>>(
    backend: &'static str,
    what: &dyn fmt::Display,
    work: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let why = format!("{backend} panicked: {}", message(&*panic));
        Err(StoreError::Corrupt { backend, at: what.to_string(), why }.into())
    })
}

/// What a panic says.
pub(crate) fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("for no stated reason")
}

/// A backend's error, shared by all whose commits it took down.
#[derive(Debug, Clone, Error)]
#[error(transparent)]
struct Shared(Arc<dyn std::error::Error + Send + Sync>);

/// Gives one failure to each of those who wait for it.
pub(crate) fn shared(error: StoreError) -> impl Fn() -> StoreError {
    let error = match error {
        StoreError::Backend { backend, retry, source } => {
            let source = BoxError::from(Shared(source.into()));
            StoreError::Backend { backend, retry, source }
        }
        other => other,
    };
    move || duplicate(&error)
}

fn duplicate(error: &StoreError) -> StoreError {
    match error {
        StoreError::Corrupt { backend, at, why } => StoreError::Corrupt { backend, at: at.clone(), why: why.clone() },
        StoreError::Poisoned { backend, why } => StoreError::Poisoned { backend, why: why.clone() },
        StoreError::Backend { backend, retry, source } => {
            let source = match source.downcast_ref::<Shared>() {
                Some(shared) => shared.clone().into(),
                None => source.to_string().into(),
            };
            StoreError::Backend { backend, retry: *retry, source }
        }
        other => StoreError::Backend { backend: "embedded", retry: other.retry(), source: other.to_string().into() },
    }
}
