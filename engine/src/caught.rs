//! Calls code of the application, which may panic. This is the only place that catches panics.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::FutureExt as _;

/// Calls `code`. If it panics, returns the panic's message.
///
/// A program that is compiled with `panic = "abort"`, as for WebAssembly, ends at a panic, and nothing can catch it. The panic hook
/// runs as for any panic, so the default one still prints the place to the standard error.
///
/// Afterwards, what `code` has borrowed may be half changed, and the caller must throw it away.
pub(crate) fn caught<T>(code: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(code)).map_err(message)
}

/// Runs a future that calls the application's code. If it panics, returns the panic's message; the future is dropped then.
pub(crate) async fn caught_in<F: Future>(future: F) -> Result<F::Output, String> {
    AssertUnwindSafe(future).catch_unwind().await.map_err(message)
}

/// A panic's message if it has one.
fn message(payload: Box<dyn Any + Send>) -> String {
    let text = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (None, Some(text)) => text.clone(),
        (None, None) => {
            // A payload of a foreign type may panic when it is dropped.
            std::mem::forget(payload);
            return "it gave no message".to_owned();
        }
    };
    cut(text)
}

/// The text, cut to the length that a note may have: a note is a row, and the limit of rows must not stop anything here.
pub(crate) fn cut(mut text: String) -> String {
    const MESSAGE_BYTES_MAX: usize = 1_024;
    text.truncate(text.floor_char_boundary(MESSAGE_BYTES_MAX));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message_whatever_it_carries() {
        struct DropsBadly;
        impl Drop for DropsBadly {
            fn drop(&mut self) {
                panic!("again");
            }
        }
        assert_eq!(caught(|| 7), Ok(7));
        assert_eq!(caught(|| panic!("plain")), Err::<(), _>("plain".to_owned()));
        assert_eq!(caught(|| panic!("{}", "made")), Err::<(), _>("made".to_owned()));
        let foreign = caught(|| std::panic::panic_any(DropsBadly));
        assert_eq!(foreign, Err::<(), _>("it gave no message".to_owned()));
        assert!(caught(|| panic!("{}", "é".repeat(5_000))).is_err_and(|text: String| text.len() <= 1_024));
    }
}
