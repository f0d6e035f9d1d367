//! The page over real HTTP.

use client_view::{Field, Kind, Mode};
use reqwest::StatusCode;
use reqwest::header::ACCEPT;

use crate::world::{Browser, World, sync};

#[tokio::test]
async fn what_the_page_says_is_saved_survives_a_restart_at_once() {
    let world = World::new().await;
    let ann = world.device("ann", "laptop").await;
    let browser = Browser::open(&ann).await;
    assert!(browser.read("").await.contains("Nothing here yet."));
    assert_eq!(browser.act("add", "kind=task&title=Buy+milk").await, "Added.");
    // Not closed in order: as if the machine had lost its power, but for what the disk's cache holds.
    let copied = world.home("after-the-crash");
    std::fs::create_dir(&copied).unwrap();
    for file in ["client.sqlite", "client.sqlite-wal"] {
        std::fs::copy(world.home("laptop").join(file), copied.join(file)).unwrap();
    }
    let again = world.device("ann", "after-the-crash").await;
    let page = Browser::open(&again).await.read("").await;
    assert!(page.contains("Buy milk") && page.contains("waits for the server"), "{page}");
}

#[tokio::test]
async fn a_page_that_is_closed_in_the_middle_of_a_write_leaves_the_others_at_work() {
    let world = World::new().await;
    let ann = world.device("ann", "laptop").await;
    let browser = Browser::open(&ann).await;
    for number in 0..20 {
        let send = browser.send("add", "kind=task&title=given+up");
        // Polled a few times, and then dropped with its connection.
        let _ = tokio::time::timeout(std::time::Duration::from_micros(number * 150), send).await;
    }
    browser.act("add", "kind=task&title=shown+as+saved").await;
    assert!(browser.read("").await.contains("shown as saved"));
    ann.sync_now().await.unwrap();
    assert!(ann.status().await.unwrap().in_sync());
}

#[tokio::test]
async fn each_change_says_whether_it_waits_is_stored_or_was_refused_and_why() {
    let world = World::new().await;
    let ann = world.device("ann", "laptop").await;
    let browser = Browser::open(&ann).await;
    browser.act("add", "kind=document&title=Plan").await;
    assert!(browser.read("").await.contains("waits for the server"));
    assert!(browser.act("sync", "").await.starts_with("Synced: "));
    let page = browser.read("").await;
    assert!(page.contains("stored by the server") && !page.contains("waits for the server"), "{page}");
    browser.act("refusal", "").await;
    browser.act("sync", "").await;
    let page = browser.read("").await;
    assert!(page.contains("The server refused 1 change.") && page.contains("BUY MORE MILK"), "{page}");
    assert!(page.contains("shouts: write it in small letters"), "{page}");

    let letter = &ann.dead_letters().await.unwrap()[0].dot;
    let place = format!("letters/{}/{}", letter.origin, letter.seq);
    browser.act(&place, "act=edit&text=Buy+more+milk").await;
    browser.act("sync", "").await;
    let page = browser.read("").await;
    assert!(page.contains("Buy more milk") && page.contains("In sync with the server."), "{page}");
    let gone = browser.send(&place, "act=drop").await;
    assert_eq!(gone.status(), StatusCode::NOT_FOUND);
    assert!(gone.text().await.unwrap().contains("has no dead letter"));
}

#[tokio::test]
async fn an_entry_is_edited_with_what_its_reader_has_seen() {
    let world = World::new().await;
    let ann = world.device("ann", "laptop").await;
    let browser = Browser::open(&ann).await;
    let id = ann.add(Kind::Task, "Buy milk").await.unwrap();
    let entry = format!("entry/{id}");
    let seen = |page: &str| page.split("name=\"seen\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    // Two tabs show the same entry. Both save.
    let (one, two) = (seen(&browser.read(&entry).await), seen(&browser.read(&entry).await));
    browser.act(&format!("{entry}/title"), &format!("value=From+one+tab&seen={one}")).await;
    browser.act(&format!("{entry}/title"), &format!("value=From+the+other&seen={two}")).await;
    let page = browser.read(&entry).await;
    assert!(page.contains("From the other") && page.contains("From one tab"), "nothing is lost unseen: {page}");
    assert!(page.contains("Conflicts"), "{page}");

    let odd = browser.send(&format!("{entry}/title"), "value=x&seen=nonsense").await;
    assert_eq!(odd.status(), StatusCode::UNPROCESSABLE_ENTITY);
    for (act, fact) in
        [("vote=1", "1 vote"), ("done=true", "· done"), ("tag=home", ">home<"), ("deleted=true", "deleted")]
    {
        browser.act(&entry, act).await;
        assert!(browser.read(&entry).await.contains(fact), "{act}");
    }
    let row = format!("id=\"entry-{id}\"");
    assert!(!browser.read("").await.contains(&row), "it is deleted");
    assert!(browser.read("?deleted=true").await.contains(&row));
}

#[tokio::test]
async fn a_slider_shows_an_entry_as_it_was() {
    let world = World::new().await;
    let ann = world.device("ann", "laptop").await;
    let browser = Browser::open(&ann).await;
    let id = ann.add(Kind::Task, "First").await.unwrap();
    ann.set(id, Field::Title, "Second", None).await.unwrap();
    let then = |page: String| page.split("id=\"then\"").nth(1).unwrap().split("</div>").next().unwrap().to_owned();
    assert!(then(browser.read(&format!("entry/{id}?step=1")).await).contains("First"));
    assert!(then(browser.read(&format!("entry/{id}?step=2")).await).contains("Second"));
    assert!(then(browser.read(&format!("entry/{id}?step=99")).await).contains("Second"), "beyond the end is the end");
    assert!(browser.read("past?step=1000").await.contains("1 entry."));
    assert!(browser.read("past?step=0").await.contains("0 entries."), "the device had told its name, and no more");
}

#[tokio::test]
async fn ten_thousand_entries_are_shown_by_pages_and_found_by_a_word() {
    let world = World::new().await;
    let ann = world.device("ann", "laptop").await;
    for hundred in 0..100 {
        let added = |number| client_view::Change::Added {
            entry: client_view::EntryId::fresh(),
            kind: Kind::Document,
            title: format!("Document {}", hundred * 100 + number),
            author: "Ann".into(),
        };
        ann.write(&(0..100).map(added).collect::<Vec<_>>()).await.unwrap();
    }
    let browser = Browser::open(&ann).await;
    let page = browser.read("").await;
    assert_eq!(page.matches("class=\"entry").count(), 50);
    let older = page.split("id=\"older\" href=\"").nth(1).unwrap().split('"').next().unwrap().replace("&amp;", "&");
    let below = older.split_once('?').unwrap().1;
    let next = browser.read(&format!("?{below}")).await;
    assert!(next.matches("class=\"entry").count() == 50 && next.contains("Newest"));
    let found = browser.read("?find=document+4242").await;
    assert!(found.matches("class=\"entry").count() == 1 && found.contains("Document 4242"));
    assert!(browser.read("?find=nowhere").await.contains("Nothing here has that word."));
}

#[tokio::test]
async fn a_tab_is_told_at_once_how_things_are_and_then_of_every_change() {
    let world = World::new().await;
    let ann = world.device("ann", "laptop").await;
    let browser = Browser::open(&ann).await;
    let mut stream = browser.get("events").send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let told = String::from_utf8(stream.chunk().await.unwrap().unwrap().to_vec()).unwrap();
    assert!(told.contains("event: changed"), "a tab that has slept catches up when it listens again: {told}");
    ann.add(Kind::Task, "Buy milk").await.unwrap();
    let told = String::from_utf8(stream.chunk().await.unwrap().unwrap().to_vec()).unwrap();
    assert!(told.contains("event: changed"), "{told}");
}

#[tokio::test]
async fn the_switches_do_what_they_say() {
    let world = World::new().await;
    let ann = world.device("ann", "laptop").await;
    let browser = Browser::open(&ann).await;
    browser.act("offline", "offline=true").await;
    assert!(ann.is_offline() && browser.read("").await.contains("Offline."));
    let asked = browser.send("sync", "").await;
    assert_eq!(asked.status(), StatusCode::BAD_GATEWAY);
    assert!(asked.text().await.unwrap().contains("This device is offline. Go online to sync."));
    browser.act("offline", "offline=false").await;
    for (mode, means) in
        [("5", Mode::Every(std::time::Duration::from_secs(5))), ("demand", Mode::OnDemand), ("live", Mode::Live)]
    {
        browser.act("mode", &format!("mode={mode}")).await;
        assert_eq!(ann.mode(), means);
    }
    assert_eq!(browser.send("mode", "mode=never").await.status(), StatusCode::UNPROCESSABLE_ENTITY);
    browser.act("skew", "millis=7200000").await;
    assert!(browser.read("").await.contains("2 h 0 min ahead of the machine's"));
    browser.act("copies", "").await;
    browser.act("restore", "name=1.sqlite").await;
    assert!(browser.read("").await.contains("Copy 2"), "what was there became a copy");
    assert_eq!(browser.send("restore", "name=../../etc/passwd").await.status(), StatusCode::NOT_FOUND);
    browser.act("clone", "").await;
    let (clone, address) = ann.clones().remove(0);
    assert!(browser.read("").await.contains(&address), "the clone's page is linked");
    assert!(reqwest::get(address).await.unwrap().text().await.unwrap().contains(clone.name()));
}

#[tokio::test]
async fn the_page_tells_who_has_what_and_what_became_of_each_bundle() {
    let world = World::new().await;
    let (ann, bob) = (world.device("ann", "Ann's laptop").await, world.device("bob", "Bob's phone").await);
    let browser = Browser::open(&ann).await;
    ann.add(Kind::Task, "Buy milk").await.unwrap();
    sync(&[&ann, &bob]).await;
    ann.add(Kind::Task, "Not synced").await.unwrap();
    let page = browser.read("").await;
    let heads = page.split("id=\"heads\"").nth(1).unwrap().split("</table>").next().unwrap();
    assert!(heads.contains("Bob's phone") && heads.contains("(this device)"), "{heads}");
    assert!(heads.contains("1 at the server"), "what is missing, and where: {heads}");
    let log = browser.read("log").await;
    assert!(
        log.contains("entry.added@1") && log.contains("Bob's phone") && log.contains("waits for the server"),
        "{log}"
    );
}

#[tokio::test]
async fn a_form_works_without_a_script_too() {
    let world = World::new().await;
    let ann = world.device("ann", "laptop").await;
    let browser = Browser::open(&ann).await;
    let form = |path: &str, body: &str| {
        browser.post(path, body).header("sec-fetch-site", "same-origin").header(ACCEPT, "text/html")
    };
    let sent = form("add", "kind=task&title=Buy+milk").send().await.unwrap();
    assert_eq!(
        (sent.status(), sent.headers()["location"].to_str().unwrap()),
        (StatusCode::SEE_OTHER, &*format!("/{}/", ann.key().as_str()))
    );
    let failed = form(&format!("entry/{}", "0".repeat(32)), "vote=1").send().await.unwrap();
    assert_eq!(failed.status(), StatusCode::NOT_FOUND);
    assert!(failed.text().await.unwrap().contains("what you typed is still in the form"));
}
