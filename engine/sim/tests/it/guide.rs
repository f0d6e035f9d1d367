//! The guide, followed to the letter: an empty folder outside of the workspace, its commands, its code, and what it says will come.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const GUIDE: &str = include_str!("../../docs/prove-your-stack.md");

/// The code blocks of a section of the guide.
fn blocks(section: &str) -> Vec<&'static str> {
    let (_, rest) = GUIDE.split_once(&format!("\n## {section}\n")).expect("the guide has this section");
    let text = rest.split("\n## ").next().unwrap_or(rest);
    text.split("```").skip(1).step_by(2).map(|block| block.split_once('\n').expect("a block has lines").1).collect()
}

/// What a reader of the page sees of a block, and puts where its comment says: the test into `mod tests`.
fn typed(block: &str) -> String {
    let shown: Vec<&str> = block.lines().filter(|line| !line.starts_with("# ")).collect();
    let shown = shown.join("\n");
    match shown.split_once("// Below, in `mod tests`, with `#[test]`:") {
        Some((code, test)) => {
            format!("{code}\n#[cfg(test)]\nmod tests {{\n    use super::*;\n\n    #[test]{test}\n}}\n")
        }
        None => shown,
    }
}

/// A folder that holds a clone of Syncline, as it is here, and the crate that the commands make.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(workspace, folder.path().join("syncline")).unwrap();
        Self(folder)
    }

    fn krate(&self) -> PathBuf {
        self.0.path().join("polls")
    }

    /// Runs a line of the guide in a shell, without a network: all that it needs has been downloaded for the workspace.
    fn run(&self, folder: &Path, line: &str) -> Output {
        let mut shell = Command::new("sh");
        shell.args(["-ec", line]).current_dir(folder).env("CARGO_NET_OFFLINE", "true").env_remove("SYNCLINE_LAB");
        // Kept from run to run: the second time there is little to build.
        shell.env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("guide"));
        shell.output().unwrap()
    }

    fn test(&self) -> Output {
        // The versions that the workspace is tested with, and the only ones that are sure to be here.
        fs::copy(self.0.path().join("syncline/Cargo.lock"), self.krate().join("Cargo.lock")).unwrap();
        self.run(&self.krate(), "cargo test")
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[cfg(unix)]
#[test]
fn the_guide_leads_from_an_empty_folder_to_a_fault_told_and_to_its_repair() {
    let folder = Folder::new();
    let [commands] = blocks("An empty crate")[..] else { panic!("the guide begins with commands") };
    let made = folder.run(folder.0.path(), commands);
    assert!(made.status.success(), "{}", said(&made));

    fs::write(folder.krate().join("src/lib.rs"), typed(blocks("A projection, and a test of it")[0])).unwrap();
    let broken = folder.test();
    let story = said(&broken);
    assert!(!broken.status.success(), "{story}");
    let promised = blocks("What it says")[0].lines().filter(|line| !line.contains("run it again"));
    for line in promised {
        assert!(story.contains(line.trim()), "the guide promises {line:?}, and this came:\n{story}");
    }
    assert!(story.contains("run it again: SYNCLINE_LAB=mixed:0:200:keep="), "{story}");

    let repaired = typed(blocks("The repair")[0]);
    let (code, test) = repaired.split_once("\nlet vote").expect("the repair ends with the same test");
    let test = format!(
        "#[cfg(test)]\nmod tests {{\n    use super::*;\n\n    #[test]\n    fn votes_converge() {{\nlet vote{test}\n    }}\n}}\n"
    );
    fs::write(folder.krate().join("src/lib.rs"), format!("{code}\n\n{test}")).unwrap();
    let whole = folder.test();
    assert!(whole.status.success(), "{}", said(&whole));
}
