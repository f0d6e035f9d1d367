//! What every page of this kind is made of: the frame of a document, its style and script, and the stream that tells of changes.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::routing::get;
use futures_util::stream::{self, Stream};
use maud::{DOCTYPE, Markup, html};
use syncline_http::Shutdown;
use tokio::sync::watch;

/// A stream that says nothing is given up by some proxies, and a browser notices sooner that the program has ended.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The head and the foot of a page.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// Where the page's addresses begin: a slash and the key.
    pub base: &'a str,
    /// Its title.
    pub title: &'a str,
    /// One more style sheet, below the base.
    pub style: Option<&'a str>,
    /// The sentence at its foot.
    pub foot: &'a str,
}

/// A whole document. `top` stands above the content and tells how things are. The script keeps both as the program has them.
pub fn document(head: &Head<'_>, top: &Markup, content: &Markup) -> Markup {
    let at = |path: &str| format!("{}/{path}", head.base);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (head.title) }
                link rel="stylesheet" href=(at("style.css"));
                @if let Some(style) = head.style { link rel="stylesheet" href=(at(style)); }
                link rel="icon" href="data:,";
                script type="module" src=(at("script.js")) {}
            }
            body data-events=(at("events")) {
                a.skip href="#content" { "Skip to the content" }
                header #top { (top) }
                p #notice role="status" aria-live="polite" {}
                main #content tabindex="-1" { (content) }
                footer { p { (head.foot) } }
            }
        }
    }
}

/// The style and the script of every page, as `style.css` and `script.js`.
pub fn assets() -> Router {
    Router::new()
        .route("/style.css", get(|| asset("text/css", include_str!("assets/style.css"))))
        .route("/script.js", get(|| asset("text/javascript", include_str!("assets/script.js"))))
}

async fn asset(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache")], text)
}

/// Tells a page that it is no longer what is so: once when it begins to listen, so that one that has slept catches up, and then after
/// every change. Changes that come fast are told together. It ends with the server, which would wait for it.
pub fn events(
    mut changes: watch::Receiver<u64>,
    shutdown: Shutdown,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    changes.mark_changed();
    let changed = stream::unfold((changes, shutdown), |(mut changes, shutdown)| async move {
        tokio::select! {
            () = shutdown.begun() => return None,
            changed = changes.changed() => changed.ok()?,
        }
        let count = *changes.borrow_and_update();
        Some((Ok(Event::default().event("changed").data(count.to_string())), (changes, shutdown)))
    });
    Sse::new(changed).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}
