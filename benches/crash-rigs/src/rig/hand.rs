//! The hand that cuts the power: a process kept ready, so that it takes no longer than the system call.
//!
//! That call has no safe form in any library, and this workspace has no unsafe code.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use super::tools::program;
use super::{RigError, at};

/// Takes the file system of each folder that it reads down without writing its journal (`EXT4_IOC_SHUTDOWN`, flag 2), and tells when it
/// began, in microseconds since 1970.
const SCRIPT: &str = r#"
use Time::HiRes qw(time);
$| = 1;
while (my $folder = <STDIN>) {
    chomp $folder;
    my $flags = pack('L', 2);
    my $handle;
    my $began = int(time * 1e6);
    my $done = sysopen($handle, $folder, 0) && ioctl($handle, 0x8004587d, $flags);
    print $done ? "done $began\n" : "failed $!\n";
}
"#;

/// The process that makes cuts, started when it is first needed. Ends when dropped.
#[derive(Debug, Default)]
pub(super) struct Hand(Option<Perl>);

#[derive(Debug)]
struct Perl {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Perl {
    fn start() -> Result<Self, RigError> {
        let mut command = program("perl", ["-e", SCRIPT]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(at("perl"))?;
        let input = child.stdin.take().expect("its input is a pipe");
        let output = BufReader::new(child.stdout.take().expect("its output is a pipe"));
        Ok(Self { child, input, output })
    }
}

impl Hand {
    /// Starts it, so that it is there when it is needed.
    pub(super) fn ready(&mut self) -> Result<(), RigError> {
        if self.0.is_none() {
            self.0 = Some(Perl::start()?);
        }
        Ok(())
    }

    /// Takes the file system of a folder down, and says when that began.
    pub(super) fn cut(&mut self, folder: &Path) -> Result<u64, RigError> {
        self.ready()?;
        let perl = self.0.as_mut().expect("it was started");
        let folder = folder.display().to_string();
        writeln!(perl.input, "{folder}").map_err(at(&folder))?;
        let mut answer = String::new();
        perl.output.read_line(&mut answer).map_err(at(&folder))?;
        if let Some(began) = answer.trim_end().strip_prefix("done ").and_then(|began| began.parse().ok()) {
            return Ok(began);
        }
        let (command, output) = (format!("cut {folder}"), answer.trim_end().to_owned());
        Err(RigError::Program { command, output })
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        if let Some(Perl { mut child, input, .. }) = self.0.take() {
            drop(input);
            drop(child.wait()); // nothing depends on how it ends
        }
    }
}
