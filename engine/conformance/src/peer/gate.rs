//! A policy that refuses what asks to be refused, and stops what asks to be stopped.

use async_trait::async_trait;
use syncline::authority::{Policy, Principal};
use syncline::format::Bundle;
use syncline::protocol::Refusal;
use syncline::{EventRef, EventType, SpaceId};
use tokio::sync::Semaphore;

/// Events of this type are refused; the payload is the code, a line break, and the message.
pub const REFUSED: EventType = EventType::new("conformance.refused", 1);
/// Bundles with an event of this type wait until the gate is opened.
pub const WAITS: EventType = EventType::new("conformance.waits", 1);

/// The policy.
#[derive(Debug)]
pub struct Gate {
    arrived: Semaphore,
    open: Semaphore,
}

impl Gate {
    pub(super) fn new() -> Self {
        Self { arrived: Semaphore::new(0), open: Semaphore::new(0) }
    }

    /// Waits until a bundle stands at the gate.
    pub async fn arrival(&self) {
        self.arrived.acquire().await.expect("the gate is not taken away").forget();
    }

    /// Lets through so many bundles that wait, now or later.
    pub fn open(&self, bundles: usize) {
        self.open.add_permits(bundles);
    }
}

#[async_trait]
impl Policy for Gate {
    async fn admit(&self, _: &Principal, _: &SpaceId, bundle: &Bundle<'_>) -> Result<(), Refusal> {
        let mut waits = false;
        for event in bundle.events().flatten() {
            waits |= event.is(&WAITS);
            if event.is(&REFUSED) {
                return Err(refusal(&event));
            }
        }
        if waits {
            self.arrived.add_permits(1);
            self.open.acquire().await.expect("the gate is not taken away").forget();
        }
        Ok(())
    }
}

fn refusal(event: &EventRef<'_>) -> Refusal {
    let text = String::from_utf8_lossy(event.payload);
    let (code, message) = text.split_once('\n').unwrap_or((&text, ""));
    Refusal::new(code, message)
}
