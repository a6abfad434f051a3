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

// One row of MCUs, the blocks of each of them below one another.
Case scan_case(Random& random, bool large) {
  const auto state = std::make_shared<ScanState>(random, large);
  const int blocks = large ? 6 : random.between(1, kMaxBlocksInMcu);
  const int columns = large ? 32 : random.between(1, 12);
  const bool damaged = !large && random.one_in(2);
  const Bytes data = entropy_coded(random, state->tables, columns, blocks, damaged);
  state->data = padded(data, kScanHeadroom);
  state->nbytes = data.size();
  for (auto& quant : state->quant)
    for (int16_t& factor : quant)
      factor = int16_t(random.between(1, random.one_in(8) ? 65535 : 99));
  const ptrdiff_t stride = 8 * columns;
  state->out = Bytes(size_t(8 * stride * blocks) + kGuard, kGuardByte);
  ScanPlan& plan = state->plan;
  plan.block_count = blocks;
  for (int i = 0; i < blocks; ++i) {
    const int which = i % kTables;
    plan.blocks[i] = {&state->tables.dc[which], &state->tables.ac[which], state->quant[which],
                      state->out.data() + 8 * stride * i, stride, 8, 0, which};
  }
  plan.first_column = large ? 0 : random.below(columns);
  plan.last_column = large ? columns : random.between(plan.first_column + 1, columns);
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
    for (const auto& block : state->plan.coefficients)
      for (int i = 0; i < 64; ++i) append_number(state->result, block[i]);
    return state->result;
  };
  return {run, double(blocks) * columns};
}

}  // namespace

std::vector<Kernel> scan_kernels() {
  using K = const Kernels&;
  return {{"scan", "block", scan_case, [](K k) { return address(k.scan); }}};
}

}  // namespace imnet
