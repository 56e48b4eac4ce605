use contend_record::offcpu::{OffCpu, Options};
use contend_record::source::Source;
#[test]
#[ignore]
fn run() {
    let mut options = Options::default();
    if let Ok(v) = std::env::var("MIN") {
        options.min_block = std::time::Duration::from_micros(v.parse().unwrap());
    }
    if let Ok(v) = std::env::var("PIDS") {
        options.target = contend_record::source::Target::Pids(
            v.split(',').map(|x| x.parse().unwrap()).collect(),
        );
    }
    options.wakers = std::env::var("WAKERS").is_ok();
    let mut off = OffCpu::new(
        options,
        "/tmp/col/out.data".into(),
        vec!["contend-record".into(), "offcpu".into()],
    );
    let t = std::time::Instant::now();
    off.start().unwrap();
    eprintln!("started {:?}", t.elapsed());
    let s: f64 = std::env::var("SECS").map_or(1.0, |v| v.parse().unwrap());
    let e = std::time::Instant::now();
    while e.elapsed().as_secs_f64() < s {
        off.poll().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let t = std::time::Instant::now();
    println!("{:?}", off.stop().unwrap());
    eprintln!("stopped {:?}", t.elapsed());
}
