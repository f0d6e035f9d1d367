//! The hand that makes the crash: a process kept ready, so that it takes no longer than the system call.
//!
//! What it does has no safe form in the standard library, and this workspace has no unsafe code.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use super::tools::program;
use super::{RigError, at};

/// `cut FOLDER` takes the file system down without writing its journal (`EXT4_IOC_SHUTDOWN`, flag 2).
/// `fell PID` stops a process, and once it stands still kills it and its children, which may be leaders of groups of their own,
/// and waits until these are gone. Each tells when it began, in microseconds since 1970.
const SCRIPT: &str = r#"
use Time::HiRes qw(time sleep);
$| = 1;
sub state { open(my $stat, '<', "/proc/$_[0]/stat") or return 'X'; return <$stat> =~ /\) (\w) / ? $1 : 'X'; }
while (my $line = <STDIN>) {
    chomp $line;
    my ($word, $what) = split / /, $line, 2;
    my $done = 0;
    my $began = int(time * 1e6);
    if ($word eq 'cut') {
        my $flags = pack('L', 2);
        my $folder;
        $began = int(time * 1e6);
        $done = 1 if sysopen($folder, $what, 0) && ioctl($folder, 0x8004587d, $flags);
    } elsif ($word eq 'fell') {
        kill 'STOP', $what;
        for (1 .. 1000) { last if state($what) =~ /[TZX]/; }
        my @children;
        if (open(my $list, '<', "/proc/$what/task/$what/children")) { @children = split ' ', (<$list> // ''); }
        $done = kill 'KILL', $what, @children;
        for (1 .. 5000) {
            @children = grep { state($_) !~ /[ZX]/ } @children or last;
            sleep 0.001;
        }
    }
    print $done ? "done $began\n" : "failed $!\n";
}
"#;

/// The process that makes crashes, started when it is first needed. Ends when dropped.
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
        self.order(&format!("cut {}", folder.display()))
    }

    /// Kills a process and its children.
    pub(super) fn fell(&mut self, process: u32) -> Result<(), RigError> {
        self.order(&format!("fell {process}")).map(drop)
    }

    fn order(&mut self, order: &str) -> Result<u64, RigError> {
        self.ready()?;
        let perl = self.0.as_mut().expect("it was started");
        perl.input.write_all(format!("{order}\n").as_bytes()).map_err(at(order))?;
        let mut answer = String::new();
        perl.output.read_line(&mut answer).map_err(at(order))?;
        if let Some(began) = answer.trim_end().strip_prefix("done ").and_then(|began| began.parse().ok()) {
            return Ok(began);
        }
        Err(RigError::Program { command: order.to_owned(), output: answer.trim_end().to_owned() })
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
