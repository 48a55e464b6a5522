use super::*;
use stallion_resp::command::{Command, built_in};

fn plan() -> Plan {
    Plan {
        target: Place::Tcp { host: "localhost".to_owned(), port: 6379 },
        credentials: Credentials { user: None, password: Some("secret".to_owned()), tls: None },
        topology: Topology::Node,
        mitigation: None,
        aside: None,
        resp3: false,
        db: 0,
        client_name: None,
        reconnect_every: None,
        work: Work::Traffic { distribution: Distribution::Uniform },
        commands: Commands::reads_and_writes(9, 1),
        played: None,
        keys: 1_000,
        key_prefix: "key:".to_owned(),
        value_size: Sizes::Fixed(100),
        value_content: Content::Random,
        ttl: Ttl::NONE,
        verify: false,
        rate: Rate::Max,
        arrivals: Spread::Constant,
        conns: 50,
        pipeline: 1,
        duration_ns: 1_000_000_000,
        warmup_ns: 0,
        cores: Vec::new(),
        io: Io::Uring,
        wait: WaitPolicy::Block,
        timeout_ns: 1_000_000_000,
        slow_threshold_ns: 1_000_000,
        interval_ns: 100_000_000,
        link_bits_per_s: None,
        clock: None,
        seed: 1,
        labels: Vec::new(),
    }
}

fn spread(plan: &mut Plan, distribution: Distribution) {
    plan.work = Work::Traffic { distribution };
}

fn refused(change: impl FnOnce(&mut Plan)) -> String {
    let mut plan = plan();
    change(&mut plan);
    plan.check(300 + plan.value_size.longest()).unwrap_err().to_string()
}

#[test]
fn a_plain_plan_passes() {
    assert_eq!(plan().check(300), Ok(()));
}

#[test]
fn each_flag_out_of_range_is_named_with_a_remedy() {
    for (error, wanted) in [
        (refused(|plan| plan.conns = 0), "--conns is 0"),
        (refused(|plan| plan.conns = 100_000), "--conns 100000"),
        (refused(|plan| plan.pipeline = 0), "--pipeline 0"),
        (refused(|plan| plan.pipeline = 1 << 20), "--pipeline"),
        (refused(|plan| plan.value_size = Sizes::Fixed(600 << 20)), "512 MiB"),
        (refused(|plan| plan.value_size = Sizes::Fixed(500 << 20)), "lower --conns"),
        (refused(|plan| plan.keys = 0), "--keys 0"),
        (refused(|plan| plan.duration_ns = 0), "--duration"),
        (refused(|plan| plan.interval_ns = 0), "--interval"),
        (refused(|plan| plan.timeout_ns = 0), "--timeout"),
        (refused(|plan| plan.rate = Rate::Ramp(0, 0)), "--rate"),
        (refused(|plan| plan.cores = vec![70_000]), "--cores"),
        (refused(|plan| plan.cores = vec![0, 0]), "--cores"),
        (
            refused(|plan| spread(plan, Distribution::HotSpot { keys: 0.0, requests: 0.9 })),
            "--hot-spot",
        ),
        (refused(|plan| spread(plan, Distribution::Gaussian { deviation: 2.0 })), "--deviation"),
        (refused(|plan| plan.ttl = Ttl { fraction: 2.0, min_s: 1, max_s: 2 }), "--ttl-frac"),
        (refused(|plan| plan.ttl = Ttl { fraction: 0.5, min_s: 3, max_s: 2 }), "--ttl-range"),
        (refused(|plan| plan.commands = Commands::reads_and_writes(0, 0)), "--rw-ratio"),
        (
            refused(|plan| {
                let distribution = Distribution::Zipfian { s: f64::NAN };
                plan.work = Work::Traffic { distribution };
            }),
            "--zipf-s",
        ),
        (refused(|plan| plan.reconnect_every = Some(0)), "--reconnect-every is 0"),
        (refused(|plan| plan.client_name = Some("a b".to_owned())), "--client-name"),
        (refused(|plan| plan.commands.transaction = Some(0)), "--tx 0"),
        (refused(|plan| plan.commands.list = vec![Command::get(1); 33]), "33 commands"),
        (
            refused(|plan| {
                plan.commands.list.push(built_in("wait").unwrap());
                plan.commands.transaction = Some(2);
            }),
            "wait cannot",
        ),
    ] {
        assert!(error.contains(wanted), "{error:?} does not say {wanted:?}");
    }
}

#[test]
fn a_value_of_no_bytes_is_a_value() {
    let mut plan = plan();
    plan.value_size = Sizes::Fixed(0);
    assert_eq!(plan.check(200), Ok(()));
}

#[test]
fn the_password_is_not_part_of_the_written_plan() {
    let text = serde_json::to_string(&plan()).unwrap() + &format!("{:?}", plan());
    assert!(!text.contains("secret"));
}

#[test]
fn connections_are_spread_whole() {
    let mut plan = plan();
    plan.cores = vec![0, 1, 2];
    assert_eq!((0..3).map(|worker| plan.conns_of(worker)).collect::<Vec<_>>(), [17, 17, 16]);
}
