// Cases for the kernels that make samples of entropy-coded data.
#include <memory>

#include "entropy_data.hpp"

namespace imnet {
namespace {

struct ScanState {
  ScanState(Random& random, bool large) : tables(random, large) {}

  Tables tables;
  ScanPlan plan;
  ScanRun run;
  alignas(64) int16_t quant[kTables][64];
  Bytes data, out, result;
  size_t nbytes;
};

// Blocks of an MCU below one another, `columns` MCUs in a row.
void plan_blocks(Random& random, bool large, ScanState& state, int blocks, int columns) {
  for (auto& quant : state.quant)
    for (int16_t& factor : quant)
      factor = int16_t(random.between(1, random.one_in(8) ? 65535 : 99));
  const ptrdiff_t stride = 8 * columns;
  ScanPlan& plan = state.plan;
  plan.block_count = blocks;
  for (int i = 0; i < blocks; ++i) {
    const int which = i % kTables;
    plan.blocks[i] = {&state.tables.dc[which], &state.tables.ac[which], state.quant[which],
                      state.out.data() + 8 * stride * i, stride, 8, 8 * stride * blocks, which};
  }
  plan.first_column = large ? 0 : random.below(columns);
  plan.last_column = large ? columns : random.between(plan.first_column + 1, columns);
}

void append_coefficients(ScanState& state) {
  for (const auto& block : state.plan.coefficients)
    for (int i = 0; i < 64; ++i) append_number(state.result, block[i]);
}

// One row of MCUs.
Case scan_case(Random& random, bool large) {
  const auto state = std::make_shared<ScanState>(random, large);
  const int blocks = large ? 6 : random.between(1, kMaxBlocksInMcu);
  const int columns = large ? 32 : random.between(1, 12);
  const bool damaged = !large && random.one_in(2);
  const Bytes data = entropy_coded(random, state->tables, columns, blocks, damaged);
  state->data = padded(data, kScanHeadroom);
  state->nbytes = data.size();
  state->out = Bytes(size_t(64 * columns * blocks) + kGuard, kGuardByte);
  plan_blocks(random, large, *state, blocks, columns);
  state->run.count = columns;
  state->run.wanted = large || !random.one_in(8);
  const auto run = [state](const Kernels& table) -> const Bytes& {
    const uint8_t* const begin = state->data.data() + kScanHeadroom;
    ScanStream stream;
    stream.start(begin, begin + state->nbytes);
    const bool sound = table.scan(state->plan, stream, state->run);
    // what a fault leaves of the samples is not defined
    state->result = sound ? state->out : Bytes();
    append_number(state->result, sound);
    append_number(state->result, stream.overrun(begin));
    for (int prediction : stream.predictions) append_number(state->result, sound ? prediction : 0);
    append_coefficients(*state);
    return state->result;
  };
  return {run, double(blocks) * columns};
}

struct LanesState : ScanState {
  using ScanState::ScanState;

  struct Interval {
    size_t begin, end;  // in the data
    int column, count;
  };
  std::vector<Interval> intervals;  // one in each row
};

// Restart intervals of several rows, or parts of them, one after another in memory.
Case lanes_case(Random& random, bool large) {
  const auto state = std::make_shared<LanesState>(random, large);
  const int blocks = large ? 6 : random.between(1, kMaxBlocksInMcu);
  const int columns = large ? 8 : random.between(1, 8), rows = large ? 8 : random.between(1, 6);
  state->data = Bytes(kScanHeadroom);
  for (int row = 0; row < rows; ++row) {
    const int column = large ? 0 : random.below(columns);
    const int mcus = columns - column, count = large ? mcus : random.between(1, mcus);
    Bytes& data = state->data;
    const Bytes own =
        entropy_coded(random, state->tables, mcus, blocks, !large && random.one_in(12));
    state->intervals.push_back({data.size(), data.size() + own.size(), column, count});
    data.insert(data.end(), own.begin(), own.end());
    data.resize(data.size() + kScanZeros);
  }
  state->data = padded(state->data, 0);
  state->out = Bytes(size_t(64 * columns * blocks * rows) + kGuard, kGuardByte);
  plan_blocks(random, large, *state, blocks, columns);
  const auto run = [state](const Kernels& table) -> const Bytes& {
    std::vector<ScanJob> jobs;
    for (const LanesState::Interval& interval : state->intervals) {
      ScanJob& job = jobs.emplace_back();
      job.stream.start(state->data.data() + interval.begin, state->data.data() + interval.end);
      job.run = {int(jobs.size()) - 1, interval.column, interval.count, true};
    }
    const bool sound = table.scan_lanes(state->plan, jobs.data(), int(jobs.size()));
    state->result = sound ? state->out : Bytes();
    append_number(state->result, sound);
    for (const ScanJob& job : jobs) {
      append_number(state->result, sound ? job.stream.overrun(job.stream.end) : 0);
      for (int prediction : job.stream.predictions)
        append_number(state->result, sound ? prediction : 0);
    }
    append_coefficients(*state);
    return state->result;
  };
  return {run, double(blocks) * columns * rows};
}

}  // namespace

std::vector<Kernel> scan_kernels() {
  using K = const Kernels&;
  return {{"scan", "block", scan_case, [](K k) { return address(k.scan); }},
          {"scan_lanes", "block", lanes_case, [](K k) { return address(k.scan_lanes); }}};
}

}  // namespace imnet
