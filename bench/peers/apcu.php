<?php
// SPDX-License-Identifier: MIT
//
// APCu: a keeper as driver.c has it, in one file, for there is no other way in.
//
//   php -d apc.enable_cli=1 ... apcu.php SESSIONS VALUE-BYTES STREAM-FILE
//
// Workers are forked once and stay: what shared memory they have seen stays
// mapped in.  The loop runs in PHP, which is slow, and so is the check of a
// value.  So each run also does the same loop on a local array instead of the
// cache, and what that takes of an operation is taken off: the medians of bursts
// of 64 operations each, which flatters it if its lock is fought for.

const TTL_S = 3600;
const BURST = 64;
const READS = ['95:5' => 95, '50:50' => 50, 'touch' => 50, 'hot' => 99];
const NOTHING = ['verified' => 0, 'wrong' => 0, 'missing' => 0, 'errors' => 0,
		 'ns' => 1, 'empty_ns' => 0, 'times' => [], 'changed' => []];

[, $sessions, $value_bytes, $stream_path] = $argv;
$sessions = (int)$sessions;
$value_bytes = (int)$value_bytes;

// ---- values

function value_of(int $n, int $sequence, int $bytes): string
{
	$word = pack('P', crc32("$n $sequence") << 24 ^ $sequence);
	return substr(pack('PP', $n, $sequence) .
		str_repeat($word, intdiv($bytes, 8)), 0, $bytes);
}

// Is it one of session n's?
function good($value, int $n, int $bytes): bool
{
	if (!is_string($value) || strlen($value) !== $bytes)
		return false;
	['a' => $number, 'b' => $sequence] = unpack('Pa/Pb', $value);
	return $number === $n && $value === value_of($n, $sequence, $bytes);
}

function id_of(): string
{
	return bin2hex(random_bytes(16));
}

function median(array $list): float
{
	sort($list);
	return $list[intdiv(count($list), 2)];
}

// ---- one worker

class Run
{
	public string $mix;
	public string $dist;
	public int $workers;
	public int $ms;
	public int $start_ns;
	public int $number;
	public int $at;		// place in the stream
	public array $changed;	// ids that others made since the last run
}

class Worker
{
	public array $out;
	private int $sequence;
	private array $local = [];

	public function __construct(private int $index, private array $streams,
		private array $ids, private int $bytes)
	{
	}

	private function value(int $n): string
	{
		return value_of($n, ++$this->sequence, $this->bytes);
	}

	private function look($value, int $n): void
	{
		if ($value === false)
			$this->out['missing']++;
		elseif (good($value, $n, $this->bytes))
			$this->out['verified']++;
		else
			$this->out['wrong']++;
	}

	private function expect(bool $done): void
	{
		if (!$done)
			$this->out['errors']++;
	}

	// A batch of operations; returns the nanoseconds of each if $each.
	private function burst(Run $run, int $count, bool $each): array
	{
		$words = $this->streams[$run->dist];
		$mask = count($words) - 1;
		$reads = READS[$run->mix] ?? 100;
		$times = [];

		for ($k = 0; $k < $count; $k++) {
			$word = $words[$run->at++ & $mask];
			$n = $run->mix === 'hot' ? 0 : $word & 0x1ffffff;
			$begin = $each ? hrtime(true) : 0;
			if ($run->mix === 'miss')
				$this->miss();
			elseif ($run->mix === 'churn')
				$this->churn($n, $run);
			elseif ($word >> 25 < $reads)
				$this->look(apcu_fetch($this->ids[$n]), $n);
			elseif ($run->mix === 'touch' || $run->mix === 'hot')
				// It has no touch: the time counts from storing.
				$this->expect(apcu_store($this->ids[$n],
					value_of($n, 1, $this->bytes), TTL_S));
			else
				$this->expect(apcu_store($this->ids[$n],
					$this->value($n), TTL_S));
			if ($each)
				$times[] = hrtime(true) - $begin;
		}
		return $times;
	}

	private function miss(): void
	{
		if (apcu_fetch(id_of()) === false)
			$this->out['verified']++;
		else
			$this->out['wrong']++;
	}

	// Two operations.
	private function churn(int $n, Run $run): void
	{
		$n = $n - $n % $run->workers + $this->index;
		if ($n >= count($this->ids))
			$n = $this->index;
		$this->expect(apcu_delete($this->ids[$n]));
		if ($this->sequence % 64 === 0 && apcu_exists($this->ids[$n]))
			$this->out['wrong']++;
		$this->out['changed'][$n] = $this->ids[$n] = id_of();
		$this->expect(apcu_store($this->ids[$n], $this->value($n), TTL_S));
	}

	// The same without the cache: its time is PHP's and the check's.
	private function empty_burst(Run $run, int $count): void
	{
		$words = $this->streams[$run->dist];
		$mask = count($words) - 1;
		$reads = READS[$run->mix] ?? 100;

		for ($k = 0; $k < $count; $k++) {
			$word = $words[$run->at++ & $mask];
			$n = $run->mix === 'hot' ? 0 : $word & 0x1ffffff;
			if ($run->mix === 'miss')
				$this->nothing(id_of());
			elseif ($run->mix === 'churn') {
				$this->nothing($this->ids[$n]);
				$this->nothing(id_of() . $this->value($n));
			} elseif ($word >> 25 < $reads)
				$this->look($this->local[$k & 63], $k & 63);
			else
				$this->nothing($this->ids[$n] . $this->value($n));
		}
	}

	public function learn(array $changed): void
	{
		foreach ($changed as $n => $id)
			$this->ids[$n] = $id;
	}

	private function nothing(string $what): void
	{
		$this->expect($what !== '');
	}

	public function run(Run $run): array
	{
		$this->out = NOTHING;
		$this->sequence = $run->number << 40 | $this->index << 32;
		$run->at = ($this->index * 2654435761 + $run->number * 40503) &
			0x3fffff;
		for ($n = 0; $n < 64; $n++)
			$this->local[$n] = value_of($n, 1, $this->bytes);
		$times = [];
		while (hrtime(true) < $run->start_ns)
			;
		// In turn, so that both meet the same machine.
		$end_ns = $run->start_ns + 2 * $run->ms * 1000000;
		$full = $empty = [];
		do {
			$begin_ns = hrtime(true);
			$this->burst($run, BURST, false);
			$between_ns = hrtime(true);
			$this->empty_burst($run, BURST);
			$now_ns = hrtime(true);
			$full[] = $between_ns - $begin_ns;
			$empty[] = $now_ns - $between_ns;
		} while ($now_ns < $end_ns);
		$stop_ns = $now_ns + $run->ms * 500000;
		while (hrtime(true) < $stop_ns)
			array_push($times, ...$this->burst($run, BURST, true));
		$this->out['ns'] = median($full) / BURST;
		$this->out['empty_ns'] = median($empty) / BURST;
		$this->out['times'] = $times;
		return $this->out;
	}

	public function look_at_all(): array
	{
		$this->out = NOTHING;
		foreach ($this->ids as $n => $id)
			$this->look(apcu_fetch($id), $n);
		return $this->out;
	}
}

// ---- the keeper

function streams_of(string $path): array
{
	$words = array_values(unpack('V*', file_get_contents($path)));
	$half = intdiv(count($words), 2);
	return ['uniform' => array_slice($words, 0, $half),
		'zipf' => array_slice($words, $half)];
}

// A child that reads runs and writes results, each a line and a length.
function fork_worker(Worker $worker)
{
	[$here, $there] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
	if (pcntl_fork() === 0) {
		fclose($here);
		while (($line = fgets($there)) !== false) {
			$run = unserialize(base64_decode($line));
			$worker->learn($run->changed);
			if ($run->mix === 'none')
				continue;
			$result = $run->mix === 'all' ? $worker->look_at_all()
						      : $worker->run($run);
			fwrite($there, base64_encode(serialize($result)) . "\n");
		}
		posix_kill(getmypid(), SIGKILL);
	}
	fclose($there);
	return $here;
}

// The line for stdout; $changed becomes the ids that this run made.
function run_all(array $workers, Run $run, array &$changed): string
{
	$sum = ['verified' => 0, 'wrong' => 0, 'missing' => 0, 'errors' => 0];
	$times = [];
	$rate = $mean = $empty = 0.0;

	// Long enough for what has to be read first.
	$run->start_ns = hrtime(true) + 20000000 + 2000 * count($changed);
	$two = $run->mix === 'churn' ? 2 : 1; // an end and a beginning
	$run->changed = $changed;
	$changed = [];
	// Those who do not run learn the ids, too.
	foreach ($workers as $i => $worker) {
		if ($i >= $run->workers)
			$run->mix = 'none';
		fwrite($worker, base64_encode(serialize($run)) . "\n");
	}
	for ($i = 0; $i < $run->workers; $i++) {
		$out = unserialize(base64_decode(fgets($workers[$i])));
		$changed += $out['changed'];
		foreach ($sum as $name => $count)
			$sum[$name] += $out[$name];
		$net = max(1.0, $out['ns'] - $out['empty_ns']) / $two;
		$empty += $out['empty_ns'] / $two / $run->workers;
		$mean += $net / $run->workers;
		$rate += 1e9 / $net;
		$times = array_merge($times, $out['times']);
	}
	sort($times);
	$at = fn ($q) => $times === [] ? 0 :
		(int)max(0, $times[(int)(min(count($times) - 1,
			$q * count($times)))] - $empty);
	return sprintf("ran\t%.0f\t%.1f\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t0\t%.0f",
		$rate, $mean, $at(0.5), $at(0.99), $at(0.999), $at(1.0),
		$sum['verified'], $sum['wrong'], $sum['missing'],
		$sum['errors'], $empty);
}

ini_set('memory_limit', '-1');
// Workers wait while others have their turn; a minute would be taken for the end.
ini_set('default_socket_timeout', '-1');
$streams = streams_of($stream_path);
$ids = [];
$begin_ns = hrtime(true);
for ($n = 0; $n < $sessions; $n++) {
	$ids[$n] = id_of();
	if (!apcu_store($ids[$n], value_of($n, 0, $value_bytes), TTL_S)) {
		fwrite(STDERR, "apcu: no room for session $n\n");
		exit(1);
	}
}

function memory(): int
{
	$info = apcu_sma_info(true);
	return $info['num_seg'] * $info['seg_size'] - $info['avail_mem'];
}

printf("ready\tapcu\t%.3f\t%d\n", (hrtime(true) - $begin_ns) / 1e9, memory());
$workers = [];
$changed = [];
$number = 0;
while (($line = fgets(STDIN)) !== false) {
	$words = explode(' ', trim($line));
	if ($words[0] === 'quit')
		break;
	if ($words[0] === 'memory') {
		printf("memory\t%d\n", memory());
		continue;
	}
	[, $mix, $dist, $count, $ms] = $words;
	if ($mix === 'many') {
		echo "none\n";
		continue;
	}
	$run = new Run();
	$run->mix = $mix;
	$run->dist = $dist;
	$run->workers = (int)$count;
	$run->ms = (int)$ms;
	$run->number = ++$number;
	if ($run->mix === 'all')
		$run->workers = 1;
	while (count($workers) < $run->workers)
		$workers[] = fork_worker(new Worker(count($workers), $streams,
			$ids, $value_bytes));
	echo run_all($workers, $run, $changed), "\n";
	foreach ($changed as $n => $id)
		$ids[$n] = $id;
}
foreach ($workers as $worker)
	fclose($worker);
