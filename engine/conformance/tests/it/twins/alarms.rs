//! Storages that say of themselves what is not so.

use syncline::StoreError;
use syncline::store::Retry;

use crate::broken_stores::Broken;
use crate::fault::{Answer, Fault, sound};

const LAW: &[&str] = &["a_whole_storage_is_ready_and_passes_its_check_while_it_is_written_to"];

fn alarm<'a, T>() -> Answer<'a, T> {
    let error = StoreError::Corrupt { backend: "twin", at: "nowhere".into(), why: "nothing is wrong".into() };
    Box::pin(async move { Err(error) })
}

fn away<'a, T>() -> Answer<'a, T> {
    let error = StoreError::Backend { backend: "twin", retry: Retry::Later, source: "busy".into() };
    Box::pin(async move { Err(error) })
}

pub(crate) fn all() -> Vec<Broken> {
    vec![
        ("finds damage in every storage", LAW, Fault { check: Box::new(|_| alarm()), ..sound() }),
        (
            "finds damage as soon as there is something",
            LAW,
            Fault {
                check: Box::new(|storage| {
                    Box::pin(async move {
                        if storage.spaces().await?.is_empty() { storage.check().await } else { alarm().await }
                    })
                }),
                ..sound()
            },
        ),
        ("is never ready", LAW, Fault { ready: Box::new(|_| away()), ..sound() }),
        (
            "checks and does not say what",
            LAW,
            Fault { check: Box::new(|_| Box::pin(async { Ok(String::new()) })), ..sound() },
        ),
    ]
}
