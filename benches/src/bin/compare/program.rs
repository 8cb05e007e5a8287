//! A program that is measured, as the driver sees it: commands go in, answers come out.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use pith_bench_program::Failure;

/// A running program. It ends with its owner.
pub(crate) struct Program {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

/// What came back.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    /// Sums of client and server.
    Sums(f64, f64),
    /// It cannot do that.
    Skip(String),
}

impl Program {
    pub(crate) fn start(name: &str, command: &mut Command) -> Result<Self, Failure> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{name}: {error}"))?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().ok_or("no output")?);
        Ok(Self {
            name: name.to_owned(),
            child,
            input,
            output,
        })
    }

    /// The line that answers a command.
    pub(crate) fn line(&mut self, command: &str) -> Result<String, Failure> {
        let input = self.input.as_mut().ok_or("it ended")?;
        writeln!(input, "{command}")?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        let line = line.trim_end();
        match line.strip_prefix("error ") {
            Some(error) => Err(format!("{}, {command}: {error}", self.name).into()),
            None if line.is_empty() => Err(format!("{}, {command}: it ended", self.name).into()),
            None => Ok(line.to_owned()),
        }
    }

    pub(crate) fn ask(&mut self, command: &str) -> Result<Answer, Failure> {
        let line = self.line(command)?;
        if let Some(reason) = line.strip_prefix("skip ") {
            return Ok(Answer::Skip(reason.to_owned()));
        }
        let mut words = line.split(' ').skip(1).map(str::parse);
        match (words.next(), words.next()) {
            (Some(Ok(client)), Some(Ok(server))) => Ok(Answer::Sums(client, server)),
            _ => Err(format!("{}, {command}: {line}", self.name).into()),
        }
    }
}

impl Program {
    /// The first number of an answer.
    pub(crate) fn number(&mut self, command: &str) -> Result<f64, Failure> {
        match self.ask(command)? {
            Answer::Sums(number, _) => Ok(number),
            Answer::Skip(reason) => Err(reason.into()),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.input = None;
        drop(self.child.wait());
    }
}

/// Has a command count its calls of malloc.
pub(crate) fn counted<'a>(command: &'a mut Command, folder: &Path, name: &str) -> &'a mut Command {
    command
        .env("LD_PRELOAD", folder.join("count.so"))
        .env("PITH_HEAP_COUNTER", folder.join(format!("{name}.count")))
}
