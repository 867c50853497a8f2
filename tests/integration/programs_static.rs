// SPDX-License-Identifier: MIT
//! A server and a client for run_programs.py: threads, vectored writes, timeouts, half closes.
//!
//!     static-rust serve|talk ADDRESS:PORT
//!
//! The server gives back all that it read once the client has ended its direction.
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::{env, process, thread, time::Duration};

const THREADS: usize = 16;
const OCTETS: usize = 300_000;

fn give_back(mut stream: TcpStream) -> std::io::Result<()> {
    let mut data = Vec::new();
    stream.read_to_end(&mut data)?;
    stream.write_all(&data)?;
    stream.shutdown(Shutdown::Write)
}

fn talk(address: &str, seed: usize) -> std::io::Result<bool> {
    let data: Vec<u8> = (0..OCTETS).map(|i| ((i * 31 + seed) >> 3) as u8).collect();
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let peer = stream.peer_addr()?.to_string();
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(&data)?;
    stream.shutdown(Shutdown::Write)?;
    let mut back = Vec::new();
    stream.read_to_end(&mut back)?;
    Ok(back == data && peer == address)
}

fn main() {
    let words: Vec<String> = env::args().collect();
    if words[1] == "serve" {
        let listener = TcpListener::bind(&words[2]).expect("bind");
        for stream in listener.incoming() {
            let stream = stream.expect("accept");
            thread::spawn(move || give_back(stream));
        }
    }
    let clients: Vec<_> = (0..THREADS)
        .map(|seed| {
            let address = words[2].clone();
            thread::spawn(move || talk(&address, seed))
        })
        .collect();
    for client in clients {
        match client.join().expect("a thread") {
            Ok(true) => {}
            other => {
                println!("{other:?}");
                process::exit(1);
            }
        }
    }
    println!("all equal");
}
