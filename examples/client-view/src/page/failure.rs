//! A page that says what is the matter.

use maud::{Markup, html};

use super::{document, status};
use crate::Client;
use crate::client::{ClientError, Trouble};

pub(crate) fn failure(client: &Client, error: &ClientError) -> Markup {
    let (trouble, is_store) = match error {
        ClientError::Closed(trouble) => (trouble.clone(), true),
        ClientError::Sync(trouble) => (trouble.clone(), false),
        ClientError::Store(_) => {
            let what = format!("The store of this device failed: {error}.");
            (Trouble::lasting(what, "Mend what it names, then choose Try again."), true)
        }
        other => (Trouble::lasting(format!("{other}."), "Go back: what you typed is still in the form."), false),
    };
    let content = html! { p { a href=(super::at(client, "")) { "All documents and tasks" } } };
    document(client, "It did not work", &status::failed(client, &trouble, is_store), &content)
}
