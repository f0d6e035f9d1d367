//! What the server of this application does not take: titles that shout.

use async_trait::async_trait;
use syncline::SpaceId;
use syncline::authority::{Policy, Principal};
use syncline::format::run::Bundle;
use syncline::protocol::Refusal;

use crate::Change;

/// A title with fewer letters may be an acronym.
const LETTERS_MIN: usize = 5;

/// A policy for the server: a title must not be written in capitals alone.
#[derive(Debug, Clone, Copy)]
pub struct NoShouting;

/// Whether a title shouts: it has at least five letters that may be small, and none of them is.
///
/// ```
/// use client_view::policy::shouts;
///
/// assert!(shouts("BUY MILK!"));
/// assert!(!shouts("Buy milk") && !shouts("NASA") && !shouts("牛乳を買う"));
/// ```
pub fn shouts(title: &str) -> bool {
    let capitals = title.chars().filter(|letter| letter.is_uppercase()).count();
    capitals >= LETTERS_MIN && !title.chars().any(char::is_lowercase)
}

#[async_trait]
impl Policy for NoShouting {
    async fn admit(&self, _: &Principal, _: &SpaceId, bundle: &Bundle<'_>) -> Result<(), Refusal> {
        let changes = bundle.events().filter_map(|event| event.ok()?.read::<Change>().ok()?);
        for change in changes {
            if let Some(title) = change.title().filter(|title| shouts(title)) {
                let start: String = title.chars().take(60).collect();
                let why = format!("the title \"{start}\" shouts: write it in small letters");
                return Err(Refusal::new("shouting", why));
            }
        }
        Ok(())
    }
}
