//! The page of the demo, over HTTP.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::Arc;

use demo::stage::BOBS_LAPTOP;
use demo::{Door, Passage, Plan, Show, Stage};
use reqwest::header::{CONTENT_SECURITY_POLICY, HOST, ORIGIN};
use reqwest::{Client, StatusCode};
use tempfile::TempDir;

/// A demo that is shown, and who looks at it.
struct Scene {
    stage: Arc<Stage>,
    show: Show,
    browser: Client,
    origin: String,
    _folder: TempDir,
}

impl Scene {
    async fn set() -> Self {
        let (folder, door) = (tempfile::tempdir().unwrap(), Door::open(0).await.unwrap());
        let origin = door.origin();
        let plan = Plan { framed_by: Some(&origin), ..Plan::new(folder.path()) };
        let stage = Arc::new(Stage::set(&plan).await.unwrap());
        let show = door.show(stage.clone()).await.unwrap();
        // The first request comes after a `HttpTransport` has set up what speaks TLS.
        Self { stage, show, browser: Client::new(), origin, _folder: folder }
    }

    async fn home(&self) -> String {
        self.browser.get(self.show.address()).send().await.unwrap().text().await.unwrap()
    }

    /// Sends a form, as from `origin`.
    async fn post(&self, path: &str, form: &'static str, origin: &str) -> (StatusCode, String) {
        let url = format!("{}{path}", self.show.address());
        let post = self.browser.post(url).header("content-type", "application/x-www-form-urlencoded");
        let answer = post.header("accept", "text/plain").header(ORIGIN, origin).body(form).send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_whether_all_four_are_equal_and_shows_what_passed() {
    let scene = Scene::set().await;
    let home = scene.home().await;
    assert!(home.contains("They differ."), "each device knows its own name alone: {home}");
    for _ in 0..2 {
        for seat in &scene.stage.seats {
            seat.client.sync_now().await.unwrap();
        }
    }
    let home = scene.home().await;
    assert!(home.contains("All four are equal"), "{home}");
    assert!(home.contains("push 1 bundle, ") && home.contains("stored"), "{home}");
}

#[tokio::test(flavor = "multi_thread")]
async fn its_switches_cut_a_link_and_stop_the_server() {
    let scene = Scene::set().await;
    let (status, said) = scene.post(&format!("links/{BOBS_LAPTOP}"), "passage=cut", &scene.origin).await;
    assert_eq!((status, &*said), (StatusCode::OK, "The link of Bob's laptop is cut."));
    let bob = &scene.stage.seats[BOBS_LAPTOP];
    assert_eq!(bob.link.passage(), Passage::Cut);
    bob.client.sync_now().await.unwrap_err();
    assert!(scene.home().await.contains("lost: the link is cut"));
    scene.post(&format!("links/{BOBS_LAPTOP}"), "passage=whole", &scene.origin).await;
    bob.client.sync_now().await.unwrap();

    scene.post("server", "running=false", &scene.origin).await;
    assert!(!scene.stage.server.is_running().await);
    bob.client.sync_now().await.unwrap_err();
    assert!(scene.home().await.contains("The server is stopped."));
    scene.post("server", "running=true", &scene.origin).await;
    bob.client.sync_now().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn it_answers_for_nobody_but_who_has_its_address() {
    let scene = Scene::set().await;
    let (status, _) = scene.post("server", "running=false", "http://evil.example").await;
    assert_eq!(status, StatusCode::FORBIDDEN, "another page has sent it");
    let rebound = scene.browser.get(scene.show.address()).header(HOST, "evil.example").send().await.unwrap();
    assert_eq!(rebound.status(), StatusCode::MISDIRECTED_REQUEST, "a foreign name points here");
    let keyless = scene.browser.get(format!("{}/", scene.origin)).send().await.unwrap();
    assert_eq!(keyless.status(), StatusCode::NOT_FOUND, "the key is missing");
    assert!(scene.stage.server.is_running().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_the_devices_are_framed_by_it_and_by_no_other() {
    let scene = Scene::set().await;
    let policy = async |address: &str| {
        let answer = scene.browser.get(address).send().await.unwrap();
        answer.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned()
    };
    for device in scene.show.devices() {
        assert!(policy(device).await.ends_with(&format!("frame-ancestors {}", scene.origin)));
    }
    assert!(policy(scene.show.address()).await.ends_with("frame-ancestors 'none'"));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_at_once_though_somebody_looks_at_it() {
    let scene = Scene::set().await;
    let mut addresses: Vec<_> = scene.show.devices().map(str::to_owned).collect();
    addresses.push(scene.show.address().to_owned());
    let mut listening = Vec::new();
    for address in addresses {
        let mut events = scene.browser.get(format!("{address}events")).send().await.unwrap();
        assert!(events.chunk().await.unwrap().is_some(), "it begins with a change");
        listening.push(events);
    }
    let Scene { show, .. } = scene;
    show.end().await;
    for events in listening {
        events.bytes().await.expect("the stream came to its end, and was not cut");
    }
}
