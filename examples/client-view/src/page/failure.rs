//! A page that says what is the matter.

use maud::{Markup, html};

use super::{document, status};
use crate::Client;
use crate::client::{ClientError, Trouble};

pub(crate) fn failure(client: &Client, error: &ClientError) -> Markup {
    match error {
        ClientError::Closed(trouble) => {
            document(client, "The store is closed", &status::closed(client, trouble), &html! {})
        }
        other => {
            let what = Trouble::lasting(format!("{other}."), "Go back: what you typed is still in the form.");
            document(
                client,
                "It did not work",
                &html! { h1 { (client.name()) } },
                &html! {
                    h2 { "It did not work" }
                    p #failure role="alert" { (what.what) " " (what.advice) }
                    p { a href=(super::at(client, "")) { "All documents and tasks" } }
                },
            )
        }
    }
}
