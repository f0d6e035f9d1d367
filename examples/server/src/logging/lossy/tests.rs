use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::*;

/// What writing does next.
enum Step {
    Takes(usize),
    Fails(io::ErrorKind),
}

/// Does with each write what it is told, and tells what it took.
struct Told {
    steps: Receiver<Step>,
    taken: SyncSender<Vec<u8>>,
}

impl Write for Told {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        // Without further steps it never returns, as a pipe that nobody reads.
        let Ok(step) = self.steps.recv() else {
            loop {
                thread::park()
            }
        };
        match step {
            Step::Fails(kind) => Err(kind.into()),
            Step::Takes(bytes) => {
                let bytes = bytes.min(text.len());
                self.taken.send(text[..bytes].to_vec()).unwrap();
                Ok(bytes)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn told() -> (Lossy, SyncSender<Step>, Receiver<Vec<u8>>) {
    let (step, steps) = sync_channel(100);
    let (taken, takes) = sync_channel(100);
    (Lossy::to(Told { steps, taken }).unwrap(), step, takes)
}

const EVER: Duration = Duration::from_secs(60);

#[test]
fn lines_come_out_as_they_went_in() {
    let (mut lines, step, taken) = told();
    step.send(Step::Fails(io::ErrorKind::Interrupted)).unwrap();
    step.send(Step::Fails(io::ErrorKind::WouldBlock)).unwrap();
    step.send(Step::Takes(2)).unwrap();
    step.send(Step::Takes(100)).unwrap();
    lines.write_all(b"first\n").unwrap();
    lines.settle(EVER);
    assert_eq!(taken.try_iter().collect::<Vec<_>>(), [b"fi".to_vec(), b"rst\n".to_vec()]);
    assert_eq!(lines.lost().get(), 0);
}

#[test]
fn what_cannot_be_written_is_counted_and_a_cut_line_is_ended() {
    let (mut lines, step, taken) = told();
    step.send(Step::Takes(2)).unwrap();
    step.send(Step::Fails(io::ErrorKind::StorageFull)).unwrap();
    lines.write_all(b"first\n").unwrap();
    lines.settle(EVER);
    step.send(Step::Fails(io::ErrorKind::StorageFull)).unwrap();
    lines.write_all(b"second\n").unwrap();
    lines.settle(EVER);
    step.send(Step::Takes(100)).unwrap();
    step.send(Step::Takes(100)).unwrap();
    lines.write_all(b"third\n").unwrap();
    lines.settle(EVER);
    assert_eq!(taken.try_iter().collect::<Vec<_>>().concat(), b"fi\nthird\n");
    assert_eq!(lines.lost().get(), 2);
}

#[test]
fn nobody_waits_for_a_reader_that_does_not_read_and_no_more_than_so_much_waits() {
    let (mut lines, step, _taken) = told();
    drop(step);
    let line = [b'x'; 1_000];
    for _ in 0..5_000 {
        lines.write_all(&line).unwrap();
    }
    lines.settle(Duration::ZERO);
    assert!(lines.0.lock().text.len() <= WAITING_BYTES_MAX);
    assert!(lines.lost().get() >= 5_000 - 2 * 1_049, "{}", lines.lost().get());
}
