//! A program that is measured, as the driver sees it: commands go in, answers come out.

use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use pith_bench_program::Failure;

/// A running program. It ends with its owner.
pub(crate) struct Program {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

/// A program cannot do what it was asked for.
#[derive(Debug)]
pub(crate) struct Skipped(String);

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Skipped {}

impl Program {
    pub(crate) fn start(name: &str, command: &mut Command) -> Result<Self, Failure> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{name}: {error}"))?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().ok_or("no output")?);
        let (line, lines) = mpsc::channel();
        std::thread::spawn(move || {
            let read = output.lines().map_while(Result::ok);
            read.map(|text| line.send(text))
                .take_while(Result::is_ok)
                .for_each(drop);
        });
        Ok(Self {
            name: name.to_owned(),
            child,
            input,
            lines,
        })
    }

    /// What a command is answered with: the sums of client and server.
    pub(crate) fn ask(&mut self, command: &str) -> Result<[f64; 2], Failure> {
        let input = self.input.as_mut().ok_or("it ended")?;
        let told = writeln!(input, "{command}");
        let answer = told
            .map_err(|error| error.to_string())
            .and_then(|()| self.lines.recv_timeout(PATIENCE).map_err(|e| e.to_string()));
        let line = match answer {
            Ok(line) => line,
            Err(error) => {
                // It ended, or it hangs.
                drop(self.child.kill());
                return Err(format!("{}, {command}: {error}", self.name).into());
            }
        };
        if let Some(reason) = line.strip_prefix("skip ") {
            return Err(Skipped(reason.to_owned()).into());
        }
        let mut words = line.split(' ');
        let ok = words.next() == Some("ok");
        let mut numbers = words.map(str::parse);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(client)), Some(Ok(server))) if ok => Ok([client, server]),
            _ => Err(format!("{}, {command}: {line}", self.name).into()),
        }
    }

    /// The first number of an answer.
    pub(crate) fn number(&mut self, command: &str) -> Result<f64, Failure> {
        self.ask(command).map(|[number, _]| number)
    }

    /// A lap: sums by unit.
    pub(crate) fn lap(&mut self, command: &str, units: f64) -> Result<Vec<f64>, Failure> {
        Ok(self.ask(command)?.map(|sum| sum / units).to_vec())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It reads on until there is no more.
        self.input = None;
        for _ in 0..200 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Has a command count its calls of malloc.
pub(crate) fn counted<'a>(command: &'a mut Command, folder: &Path, name: &str) -> &'a mut Command {
    command
        .env("LD_PRELOAD", folder.join("count.so"))
        .env("PITH_HEAP_COUNTER", folder.join(format!("{name}.count")))
}

/// No command takes so long.
const PATIENCE: Duration = Duration::from_secs(120);
