//! What is there when the demo begins.

use client_view::client::Filter;
use client_view::{Client, EntryId, Field, Kind};

use crate::stage::{ANNS_LAPTOP, ANNS_PHONE, BOBS_LAPTOP};
use crate::{DemoError, Stage};

/// Adds a few documents and tasks, unless there are some.
///
/// # Errors
/// [`DemoError::Client`].
pub async fn add(stage: &Stage) -> Result<(), DemoError> {
    let [laptop, phone, bob] = [ANNS_LAPTOP, ANNS_PHONE, BOBS_LAPTOP].map(|device| &stage.seats[device].client);
    if !laptop.entries(&Filter::default(), 1).await?.entries.is_empty() {
        return Ok(());
    }
    let soup = document(laptop, "Recipe for lentil soup", "https://example.org/soup").await?;
    laptop.tag(soup, "kitchen").await?;
    let milk = laptop.add(Kind::Task, "Buy milk").await?;
    laptop.tag(milk, "shopping").await?;
    laptop.vote(milk, 1).await?;

    let books = phone.add(Kind::Task, "Return the library books").await?;
    phone.set(books, Field::Note, "They close at six.", None).await?;
    phone.add(Kind::Task, "Call the plumber").await?;

    let trains = document(bob, "Trains to Lyon", "https://example.org/trains").await?;
    bob.tag(trains, "holiday").await?;
    let fence = bob.add(Kind::Task, "Paint the fence").await?;
    bob.set_done(fence, true).await?;
    Ok(())
}

async fn document(client: &Client, title: &str, url: &str) -> Result<EntryId, DemoError> {
    let document = client.add(Kind::Document, title).await?;
    client.set(document, Field::Url, url, None).await?;
    Ok(document)
}
