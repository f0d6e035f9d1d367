//! A page in the browser: what a person sees and does there.
//!
//! Pages change by themselves. So everything is tried until it comes about, and a deadline ends what never does.

use std::time::Duration;

use serde_json::{Value, json};
use thirtyfour::error::{WebDriverError, WebDriverErrorInner, WebDriverResult};
use thirtyfour::{By, Key, TypingData, WebDriver, WebElement, WindowHandle};
use tokio::time::{Instant, sleep};

use crate::look;

/// How long anything may take, on a machine that has much else to do.
const DEADLINE: Duration = Duration::from_secs(60);
/// How long to wait before looking again.
const GLANCE: Duration = Duration::from_millis(40);

/// Finds the elements of a kind that are shown and have a text; the first argument is the kind, the second the text.
const FIND: &str = "const [kind, text] = arguments; \
     return [...document.querySelectorAll(kind)].filter((one) => \
       (one.textContent.includes(text) || one.getAttribute('aria-label')?.includes(text) || one.value?.includes?.(text)) \
       && one.checkVisibility())";

/// A tab of the browser, or a frame in one.
#[derive(Debug, Clone)]
pub struct Tab {
    driver: WebDriver,
    window: WindowHandle,
    frame: Option<String>,
}

impl Tab {
    /// A new tab that shows this address.
    ///
    /// # Errors
    /// As the driver says.
    pub async fn open(driver: &WebDriver, address: &str) -> WebDriverResult<Self> {
        let window = driver.new_tab().await?;
        let tab = Self { driver: driver.clone(), window, frame: None };
        tab.go(address).await?;
        Ok(tab)
    }

    /// Shows another address.
    ///
    /// # Errors
    /// As the driver says.
    pub async fn go(&self, address: &str) -> WebDriverResult<()> {
        self.front().await?.goto(address).await
    }

    /// What a frame of this tab shows, once it is there.
    ///
    /// # Panics
    /// As [`see`](Self::see).
    pub async fn within(&self, frame: &str) -> WebDriverResult<Self> {
        self.see(frame, "").await?;
        Ok(Self { frame: Some(frame.to_owned()), ..self.clone() })
    }

    /// Closes the tab, as a person does: without asking the page. The browser has one more from its beginning.
    ///
    /// # Errors
    /// As the driver says.
    pub async fn close(self) -> WebDriverResult<()> {
        self.front().await?.close_window().await?;
        let first = self.driver.windows().await?.remove(0);
        self.driver.switch_to_window(first).await
    }

    /// The driver, with this tab before all others.
    ///
    /// # Errors
    /// As the driver says.
    pub async fn front(&self) -> WebDriverResult<&WebDriver> {
        self.driver.switch_to_window(self.window.clone()).await?;
        if let Some(frame) = &self.frame {
            self.driver.find(By::Css(frame.as_str())).await?.enter_frame().await?;
        }
        Ok(&self.driver)
    }

    /// What a script returns.
    ///
    /// # Errors
    /// As the driver says.
    pub async fn run(&self, script: &str, arguments: Vec<Value>) -> WebDriverResult<Value> {
        Ok(self.front().await?.execute(script, arguments).await?.json().clone())
    }

    /// Waits until an element of this kind shows this text.
    ///
    /// # Panics
    /// If the deadline is over.
    pub async fn see(&self, kind: &str, text: &str) -> WebDriverResult<()> {
        self.until(&format!("`{kind}` shows \"{text}\""), async || self.shows(kind, text).await).await
    }

    /// Waits until no element of this kind shows this text any more.
    ///
    /// # Panics
    /// As [`see`](Self::see).
    pub async fn see_no(&self, kind: &str, text: &str) -> WebDriverResult<()> {
        self.until(&format!("no `{kind}` shows \"{text}\""), async || Ok(!self.shows(kind, text).await?)).await
    }

    /// Whether an element of this kind shows this text now.
    ///
    /// # Errors
    /// As the driver says.
    pub async fn shows(&self, kind: &str, text: &str) -> WebDriverResult<bool> {
        let found = self.run(&format!("{FIND}.length > 0"), vec![json!(kind), json!(text)]).await?;
        Ok(found == json!(true))
    }

    /// Clicks the element of this kind with this text or label.
    ///
    /// # Panics
    /// As [`see`](Self::see).
    pub async fn click(&self, kind: &str, text: &str) -> WebDriverResult<()> {
        self.until(&format!("`{kind}` with \"{text}\" can be clicked"), async || {
            let Some(element) = self.find(kind, text).await? else { return Ok(false) };
            element.click().await.map(|()| true)
        })
        .await
    }

    /// Types a text into a field in place of what is there.
    ///
    /// # Panics
    /// As [`see`](Self::see).
    pub async fn fill(&self, field: &str, text: &str) -> WebDriverResult<()> {
        self.until(&format!("`{field}` can be filled"), async || {
            let Some(element) = self.find(field, "").await? else { return Ok(false) };
            element.clear().await?;
            element.send_keys(text).await?;
            Ok(element.prop("value").await?.as_deref() == Some(text))
        })
        .await
    }

    /// Opens the part of the page that a summary stands for, unless it is open.
    ///
    /// # Panics
    /// As [`see`](Self::see).
    pub async fn unfold(&self, details: &str) -> WebDriverResult<()> {
        let open = format!("{details}[open]");
        if !self.shows(&open, "").await? {
            self.click(&format!("{details} > summary"), "").await?;
        }
        self.see(&open, "").await
    }

    /// The text of the first element of this kind.
    ///
    /// # Errors
    /// As the driver says.
    pub async fn text(&self, kind: &str) -> WebDriverResult<String> {
        let text = self.run("return document.querySelector(arguments[0])?.innerText ?? ''", vec![json!(kind)]).await?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// Presses keys, wherever the focus is.
    ///
    /// # Errors
    /// As the driver says.
    pub async fn press(&self, keys: impl Into<TypingData>) -> WebDriverResult<()> {
        self.front().await?.action_chain().send_keys(keys).perform().await
    }

    /// Presses the tabulator key until the focus is on an element of this kind with this text or label.
    ///
    /// # Panics
    /// If it is not among the first hundred.
    pub async fn tab_to(&self, kind: &str, text: &str) -> WebDriverResult<()> {
        for _ in 0..100 {
            self.press(Key::Tab).await?;
            let there = format!("{FIND}.includes(document.activeElement)");
            if self.run(&there, vec![json!(kind), json!(text)]).await? == json!(true) {
                return Ok(());
            }
        }
        panic!("the keyboard does not get to `{kind}` with \"{text}\"");
    }

    async fn find(&self, kind: &str, text: &str) -> WebDriverResult<Option<WebElement>> {
        let found = self.front().await?.execute(format!("{FIND}[0]"), vec![json!(kind), json!(text)]).await?;
        if found.json().is_null() { Ok(None) } else { found.element().map(Some) }
    }

    /// Tries until it holds. An element that has just been replaced or covered is looked for anew.
    async fn until(&self, what: &str, holds: impl AsyncFn() -> WebDriverResult<bool>) -> WebDriverResult<()> {
        let end = Instant::now() + DEADLINE;
        loop {
            match holds().await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) if passes(&error) => {}
                Err(error) => return Err(error),
            }
            if Instant::now() > end {
                let _ = look::picture(self, "failed").await;
                panic!("waited a minute until {what}; the page says:\n{}", self.text("body").await?);
            }
            sleep(GLANCE).await;
        }
    }
}

/// Whether it may be otherwise at the next look.
fn passes(error: &WebDriverError) -> bool {
    matches!(
        error.as_inner(),
        WebDriverErrorInner::StaleElementReference(_)
            | WebDriverErrorInner::ElementClickIntercepted(_)
            | WebDriverErrorInner::ElementNotInteractable(_)
            | WebDriverErrorInner::NoSuchElement(_)
    )
}
