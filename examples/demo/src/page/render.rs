//! The page as a whole.

use client_view::web::{Head, document};
use maud::{Markup, html};

use super::{Page, links, standings};
use crate::{Comparison, DemoError};

pub(super) async fn home(page: &Page) -> Result<Markup, DemoError> {
    let comparison = Comparison::of(&page.stage).await?;
    let top = html! {
        div.name { h1 { "Syncline demo" } p { "A server and three devices, each with its own store" } }
        (standings::verdict(&comparison))
    };
    let content = html! {
        p { "Change something on a device. Cut a link, change the same thing on two devices, and heal the link: both keep \
             working meanwhile, and all four become equal again." }
        section #server aria-labelledby="server-head" {
            h2 #server-head { "Server" }
            (server(page, comparison.with_server))
            div.beside { (standings::table(&comparison)) (standings::words()) }
        }
        div.devices {
            @for (index, (seat, address)) in page.stage.seats.iter().zip(&page.devices).enumerate() {
                section.device #{ "device-" (index) } aria-labelledby={ "device-" (index) "-head" } {
                    h2 #{ "device-" (index) "-head" } { (seat.client.name()) }
                    (links::link(page, index, seat))
                    iframe src=(address) title={ "The page of " (seat.client.name()) } {}
                    p { a href=(address) target="_blank" { "Open the page of " (seat.client.name()) " alone" } }
                }
            }
        }
    };
    let head = Head {
        base: &format!("/{}", page.key.as_str()),
        title: "Syncline demo",
        style: Some("demo.css"),
        foot: "Times are UTC. Everything runs in one program on this machine; the messages pass over real HTTP.",
    };
    Ok(document(&head, &top, &content))
}

fn server(page: &Page, running: bool) -> Markup {
    html! {
        form.switches method="post" action={ "/" (page.key.as_str()) "/server" } {
            span #server-state .state.stored[running].refused[!running] { @if running { "runs" } @else { "stopped" } }
            button #server-switch name="running" value=(!running) {
                @if running { "Stop the server" } @else { "Start the server" }
            }
            span.quiet { "at " (page.stage.server.url()) }
        }
    }
}
