//! Bad input: each shows what is the matter and what to do, and nothing is lost.

use std::sync::atomic::Ordering;

use client_view::{Client, Field, Kind, Setup};
use reqwest::StatusCode;
use syncline_http::HttpTransport;

use crate::world::{Browser, World, space, sync};

/// What the page says after a sync that was asked for.
async fn after_sync(client: &Client) -> String {
    let _ = client.sync_now().await;
    Browser::open(client).await.read("").await
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_with_what_to_do() {
    let mut world = World::new().await;
    let ann = world.device("ann", "laptop").await;
    ann.add(Kind::Task, "Buy milk").await.unwrap();
    world.stop().await;
    let page = after_sync(&ann).await;
    assert!(page.contains("The server cannot be reached: ") && page.contains("Check the address"), "{page}");
    assert!(page.contains("2 changes saved here, waiting for the server."), "{page}");
    world.start().await;
    assert!(after_sync(&ann).await.contains("In sync with the server."), "and it goes on when the server is back");
}

#[tokio::test]
async fn an_address_where_something_else_answers_is_named() {
    let world = World::new().await;
    let ann = world.device("ann", "laptop").await;
    let other = Browser::open(&world.device("bob", "phone").await).await;
    ann.connect(std::sync::Arc::new(HttpTransport::builder(other.origin(), "t").attempts(1).build().unwrap()));
    let page = after_sync(&ann).await;
    assert!(page.contains("Somebody on the way to the server answered in its place"), "{page}");
    assert!(page.contains("Check the address"), "{page}");
}

#[tokio::test]
async fn a_token_that_has_expired_or_was_revoked_is_named_and_a_new_one_goes_on() {
    let world = World::new().await;
    let ann = world.device("ann", "laptop").await;
    for (token, revoke) in [(world.token("ann", -1).await, false), (world.token("ann", 3_600).await, true)] {
        if revoke {
            world.revoke("ann").await;
        }
        ann.connect(world.way(&token));
        ann.add(Kind::Task, "Buy milk").await.unwrap();
        let page = after_sync(&ann).await;
        assert!(page.contains("it has expired, or it was revoked") && page.contains("Get a new token"), "{page}");
        assert!(page.contains("saved here, waiting for the server."), "{page}");
    }
    ann.connect(world.way(&world.token("ann", 3_600).await));
    assert!(after_sync(&ann).await.contains("In sync with the server."));
}

#[tokio::test]
async fn a_folder_that_is_used_with_the_token_of_another_device_is_named() {
    let world = World::new().await;
    let ann = world.device("ann", "laptop").await;
    ann.sync_now().await.unwrap();
    ann.connect(world.way(&world.token("bob", 3_600).await));
    ann.add(Kind::Task, "Buy milk").await.unwrap();
    let page = after_sync(&ann).await;
    assert!(page.contains("its replica belongs to another device there"), "{page}");
    assert!(page.contains("Use the token of the device that made this folder"), "{page}");
    ann.connect(world.way(&world.token("ann", 3_600).await));
    assert!(after_sync(&ann).await.contains("In sync with the server."));
}

#[tokio::test]
async fn a_space_that_one_may_not_see_is_named() {
    let world = World::new().await;
    let setup = Setup::new(world.home("stranger"), syncline::SpaceId::new("elsewhere").unwrap(), "stranger");
    let client = Client::open(setup).await.unwrap();
    client.connect(world.way(&world.token("bob", 3_600).await));
    assert!(after_sync(&client).await.contains("The server has no such space, or hides it from this device."));
}

#[tokio::test]
async fn a_server_with_a_wrong_clock_is_named_and_moves_no_change() {
    let world = World::new().await;
    let ann = world.device("ann", "laptop").await;
    ann.sync_now().await.unwrap();
    let milk = ann.add(Kind::Task, "Buy milk").await.unwrap();
    let written = ann.history(milk).await.unwrap()[0].0;
    world.skew.store(7_200, Ordering::Relaxed);
    let page = after_sync(&ann).await;
    assert!(page.contains("Clocks differ: "), "{page}");
    assert!(
        page.contains("2 h 0 min ahead of this device") || page.contains("1 h 59 min ahead of this device"),
        "{page}"
    );
    assert_eq!(ann.history(milk).await.unwrap()[0].0, written);
    assert_eq!(ann.status().await.unwrap().pending, 0, "it is stored all the same");
}

#[tokio::test]
async fn texts_with_markup_other_directions_and_emoji_are_shown_as_they_were_written() {
    let world = World::new().await;
    let ann = world.device("ann", "laptop").await;
    let browser = Browser::open(&ann).await;
    for text in [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)> ' & &amp;",
        "مرحبا بالعالم \u{202e}txt.exe",
        "👩‍👩‍👧‍👦 🇪🇺 e\u{301}",
        "a\u{0}b\u{7f}",
        "line\nbreak",
    ] {
        browser.act("add", &format!("kind=task&title={}", encoded(text))).await;
        let (id, entry) = ann.entries(&Default::default(), 1).await.unwrap().entries.remove(0);
        assert_eq!(entry.text(Field::Title), text, "stored as it was written");
        browser.act(&format!("entry/{id}/note"), &format!("value={}", encoded(text))).await;
        browser.act(&format!("entry/{id}"), &format!("tag={}", encoded(text))).await;
        for page in [browser.read("").await, browser.read(&format!("entry/{id}")).await, browser.read("log").await] {
            assert!(page.contains(&escaped(text)), "{text:?} is shown, and never as markup");
            assert!(!page.contains("<script>alert") && !page.contains("<img src=x"), "{text:?}");
        }
        let found = browser.read(&format!("?find={}", encoded(text))).await;
        assert!(found.contains(&escaped(text)), "{text:?} is found");
    }
}

#[tokio::test]
async fn a_title_of_a_hundred_thousand_characters_is_kept_whole_and_shown_by_its_beginning() {
    let world = World::new().await;
    let (ann, bob) = (world.device("ann", "laptop").await, world.device("bob", "phone").await);
    let (browser, long) = (Browser::open(&ann).await, "ä".repeat(100_000));
    browser.act("add", &format!("kind=task&title={}", encoded(&long))).await;
    let page = browser.read("").await;
    assert!(page.contains("… (100000 characters)") && page.len() < 100_000, "{} bytes", page.len());
    sync(&[&ann, &bob]).await;
    let (id, entry) = bob.entries(&Default::default(), 1).await.unwrap().entries.remove(0);
    assert_eq!(entry.text(Field::Title), long);
    assert!(browser.read(&format!("entry/{id}")).await.contains(&long), "the whole text can be edited");
}

#[tokio::test]
async fn a_text_beyond_the_limit_is_refused_with_its_size_and_the_old_one_stays() {
    let world = World::new().await;
    let ann = world.device("ann", "laptop").await;
    let browser = Browser::open(&ann).await;
    let id = ann.add(Kind::Task, "Buy milk").await.unwrap();
    let refused =
        browser.send(&format!("entry/{id}/title"), &format!("value={}", encoded(&"🌍".repeat(100_000)))).await;
    assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let said = refused.text().await.unwrap();
    assert!(said.contains("event payload") && said.contains("262144"), "what, and how much is allowed: {said}");
    assert_eq!(ann.entry(id).await.unwrap().text(Field::Title), "Buy milk");

    let larger = browser.send("add", &format!("kind=task&title={}", "x".repeat(5_000_000))).await;
    assert!(larger.text().await.unwrap().contains("it is larger than 4 MB; write less, or write it in parts"));
    assert!(browser.send("add", "kind=task").await.text().await.unwrap().contains("title"), "what is missing");
}

#[tokio::test]
async fn a_store_that_is_in_use_says_by_whom() {
    let world = World::new().await;
    let _ann = world.device("ann", "laptop").await;
    let error = Client::open(Setup::new(world.home("laptop"), space(), "laptop")).await.unwrap_err();
    assert!(error.to_string().contains("is in use by"), "{error}");
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_left_alone_and_says_what_to_do() {
    let world = World::new().await;
    world.device("ann", "laptop").await.close().await;
    let file = world.home("laptop").join("client.sqlite");
    rusqlite::Connection::open(&file).unwrap().pragma_update(None, "user_version", 9_999).unwrap();
    let bytes = std::fs::read(&file).unwrap();
    let error = Client::open(Setup::new(world.home("laptop"), space(), "laptop")).await.unwrap_err();
    assert!(error.to_string().contains("upgrade Syncline, or open another file"), "{error}");
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
}

#[tokio::test]
async fn a_store_that_cannot_be_opened_after_a_restore_says_so_until_it_is_mended() {
    let world = World::new().await;
    let ann = world.device("ann", "laptop").await;
    let browser = Browser::open(&ann).await;
    let milk = ann.add(Kind::Task, "Buy milk").await.unwrap();
    let copy = ann.take_copy().await.unwrap();
    // A copy that this program must not open.
    let file = world.home("laptop").join("copies").join(&copy.name);
    rusqlite::Connection::open(&file).unwrap().pragma_update(None, "user_version", 9_999).unwrap();
    let refused = browser.send("restore", &format!("name={}", copy.name)).await;
    assert!(!refused.status().is_success());
    assert!(refused.text().await.unwrap().contains("upgrade Syncline"));
    assert!(ann.entry(milk).await.is_ok(), "the device is as it was");

    ann.close().await;
    let page = browser.get("").send().await.unwrap();
    assert_eq!(page.status(), StatusCode::SERVICE_UNAVAILABLE);
    let page = page.text().await.unwrap();
    assert!(page.contains("The store is closed.") && page.contains("Try again"), "{page}");
    browser.act("reopen", "").await;
    assert!(browser.read("").await.contains("Buy milk"));
}
