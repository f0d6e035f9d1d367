//! The running driver of the browser. Each test gets a session of its own: a browser with an empty profile.

use std::io::{self, BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use thirtyfour::error::WebDriverResult;
use thirtyfour::{ChromiumLikeCapabilities, DesiredCapabilities, WebDriver};

use crate::Chromium;
use crate::chromium::is_root;

/// What the browser is started with: without a window, and without calls home.
const ARGUMENTS: [&str; 8] = [
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
];
/// What the driver says once it listens.
const STARTED: &str = "started successfully on port ";

/// A driver that runs until it is dropped.
#[derive(Debug)]
pub struct Driver {
    chromium: Chromium,
    process: Child,
    url: String,
}

impl Driver {
    /// Starts the driver on a free port.
    ///
    /// # Errors
    /// As the system says, or if the driver ends without listening.
    pub fn start(chromium: Chromium) -> io::Result<Self> {
        // The WebDriver client and the transports speak through one; whoever is first installs it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut command = Command::new(&chromium.driver);
        let mut process = command.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut lines = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, port) = line.split_once(STARTED)?;
            port.trim_end_matches('.').parse::<u16>().ok()
        });
        let Some(port) = port else {
            let _ = process.kill();
            return Err(io::Error::other(format!("{} ended before it listened", chromium.driver.display())));
        };
        // Whatever else it says must go somewhere, or it would wait for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { chromium, process, url: format!("http://127.0.0.1:{port}") })
    }

    /// A new browser.
    ///
    /// # Errors
    /// As the driver says.
    pub async fn browser(&self) -> WebDriverResult<WebDriver> {
        let mut wanted = DesiredCapabilities::chrome();
        wanted.set_binary(&self.chromium.browser.to_string_lossy())?;
        ARGUMENTS.iter().try_for_each(|argument| wanted.add_arg(argument))?;
        if is_root() {
            // As root Chromium starts in no other way.
            wanted.add_arg("--no-sandbox")?;
        }
        WebDriver::new(&self.url, wanted).await
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
