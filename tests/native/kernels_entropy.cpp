// Cases for the other kernels that read entropy-coded data, and for those of packed data.
#include <array>
#include <memory>

#include "entropy_data.hpp"
#include "packed/file.hpp"

namespace imnet {
namespace {

struct SkipCaseState {
  SkipCaseState(Random& random, bool large) : tables(random, large) {}

  Tables tables;
  std::array<SkipBlock, kMaxBlocksInMcu> ring;
  std::array<SkipLane, kSkipLanes> start;
  std::array<std::vector<uint64_t>, kSkipLanes> ends;
  Bytes data, result;
};

// Three restart intervals in turn until one of them stops, and then each of them to its end.
Case skip_case(Random& random, bool large) {
  const auto state = std::make_shared<SkipCaseState>(random, large);
  const int blocks = large ? 6 : random.between(1, kMaxBlocksInMcu);
  for (int i = 0; i < blocks; ++i) state->ring[i].table = &state->tables.skip[i % kTables];
  link(state->ring.data(), blocks);
  Bytes data;
  double walked = 0;
  for (int i = 0; i < kSkipLanes; ++i) {
    const int mcus = large ? 64 : random.between(1, 12);
    const Bytes own =
        entropy_coded(random, state->tables, mcus, blocks, !large && random.one_in(4));
    SkipLane& lane = state->start[i];
    lane.state.bit = 8 * data.size();
    lane.state.block = state->ring.data();
    lane.state.entries = state->ring[0].table->first.data();
    state->ends[i].resize(size_t(mcus) * blocks + kSkipSlack);
    lane.state.end = state->ends[i].data();
    lane.last = lane.state.end + mcus * blocks;
    data.insert(data.end(), own.begin(), own.end());
    lane.limit = 8 * data.size();
    walked += mcus * blocks;
  }
  state->data = padded(data, 0);
  const auto run = [state](const Kernels& table) -> const Bytes& {
    std::array<SkipLane, kSkipLanes> lanes = state->start;
    table.skip(state->data.data(), lanes.data(), kSkipLanes);
    state->result.clear();
    for (int i = 0; i < kSkipLanes; ++i) {
      SkipLane& lane = lanes[i];
      while (!lane.stopped()) table.skip(state->data.data(), &lane, 1);
      append_number(state->result, lane.sound);
      append_number(state->result, lane.complete());
      for (const uint64_t* end = state->ends[i].data(); end < std::min(lane.state.end, lane.last);)
        append_number(state->result, *end++);
    }
    return state->result;
  };
  return {run, walked};
}

struct PackState {
  PackState(Random& random, bool large) : tables(random, large) {}

  Tables tables;
  ScanPlan plan;
  Bytes data, out, result;
  size_t nbytes;
  int columns;
};

std::shared_ptr<PackState> pack_state(Random& random, bool large, bool damaged) {
  const auto state = std::make_shared<PackState>(random, large);
  const int blocks = large ? 6 : random.between(1, kMaxBlocksInMcu);
  state->columns = large ? 32 : random.between(1, 12);
  const Bytes data = entropy_coded(random, state->tables, state->columns, blocks, damaged);
  state->data = padded(data, kScanHeadroom);
  state->nbytes = data.size();
  state->out = Bytes(size_t(state->columns) * kMostMcuNbytes + kGuard, kGuardByte);
  state->plan.block_count = blocks;
  for (int i = 0; i < blocks; ++i) {
    ScanBlock& block = state->plan.blocks[i];
    block = ScanBlock();
    block.dc = &state->tables.dc[i % kTables];
    block.ac = &state->tables.ac[i % kTables];
    block.component = i % kTables;
  }
  return state;
}

// Packs all of it; returns the outcome, and how many bytes it has.
PackOutcome packed(const Kernels& table, PackState& state, size_t& nbytes) {
  const uint8_t* const begin = state.data.data() + kScanHeadroom;
  ScanStream stream;
  stream.start(begin, begin + state.nbytes);
  std::array<int, kMaxComponents> before{};
  uint8_t* out = state.out.data();
  const PackOutcome outcome = table.pack(state.plan, stream, state.columns, before.data(), out);
  nbytes = size_t(out - state.out.data());
  return outcome;
}

Case pack_case(Random& random, bool large) {
  const auto state = pack_state(random, large, !large && random.one_in(2));
  const auto run = [state](const Kernels& table) -> const Bytes& {
    size_t nbytes;
    const PackOutcome outcome = packed(table, *state, nbytes);
    state->result.clear();
    append_number(state->result, int(outcome));
    if (outcome == PackOutcome::ok)
      state->result.insert(state->result.end(), state->out.begin(),
                           state->out.begin() + ptrdiff_t(nbytes));
    for (const auto& block : state->plan.coefficients)
      for (int i = 0; i < 64; ++i) append_number(state->result, block[i]);
    append_number(state->result, state->out.back());
    return state->result;
  };
  return {run, double(state->plan.block_count) * state->columns};
}

// Packed blocks: of sound data as the scalar kernel packs it, or of any bytes, some of them flipped.
Bytes packed_blocks(Random& random, bool large, int& blocks, int& columns) {
  const auto state = pack_state(random, large, false);
  blocks = state->plan.block_count;
  columns = state->columns;
  size_t nbytes;
  Bytes made;
  if (packed(*runnable_kernels().front(), *state, nbytes) == PackOutcome::ok)
    made.assign(state->out.begin(), state->out.begin() + ptrdiff_t(nbytes));
  else
    made = random.samples(size_t(random.between(1, 4000)));
  if (!large && random.one_in(3))
    for (int flips = random.between(1, 6); flips > 0; --flips)
      made[size_t(random.below(int(made.size())))] ^= uint8_t(1 << random.below(8));
  return made;
}

struct UnpackState {
  ScanPlan plan;
  ScanRun run;
  alignas(64) int16_t quant[kTables][64];
  Bytes data, out, result;
  size_t nbytes;
};

Case unpack_case(Random& random, bool large) {
  const auto state = std::make_shared<UnpackState>();
  int blocks, columns;
  state->data = packed_blocks(random, large, blocks, columns);
  state->nbytes = state->data.size();
  state->data.resize(state->nbytes + kPackedPadding, uint8_t(random.word()));
  for (auto& quant : state->quant)
    for (int16_t& factor : quant)
      factor = int16_t(random.between(1, !large && random.one_in(8) ? 65535 : 99));
  const ptrdiff_t stride = 8 * columns;
  state->out = Bytes(size_t(8 * stride * blocks) + kGuard, kGuardByte);
  state->plan.block_count = blocks;
  for (int i = 0; i < blocks; ++i)
    state->plan.blocks[i] = {nullptr, nullptr, state->quant[i % kTables],
                             state->out.data() + 8 * stride * i, stride, 8, 0, i % kTables};
  state->plan.first_column = large ? 0 : random.below(columns);
  state->run.count = large ? columns : random.between(state->plan.first_column + 1, columns);
  state->run.wanted = true;
  const auto run = [state](const Kernels& table) -> const Bytes& {
    UnpackStream stream;
    stream.next = state->data.data();
    stream.end = stream.next + state->nbytes;
    const bool sound = table.unpack(state->plan, stream, state->run);
    state->result = sound ? state->out : Bytes();
    append_number(state->result, sound);
    if (sound) append_number(state->result, stream.next - state->data.data());
    for (int prediction : stream.predictions) append_number(state->result, sound ? prediction : 0);
    append_number(state->result, state->out.back());
    return state->result;
  };
  return {run, double(blocks) * columns};
}

// A table with all symbols, or without some.
HuffmanSpec encoder_spec(Random& random) {
  HuffmanSpec spec;
  spec.counts[9] = 200;
  spec.counts[10] = 56;
  spec.symbol_count = random.one_in(4) ? random.between(100, 255) : 256;
  for (int i = 0; i < 256; ++i) spec.symbols[i] = uint8_t(i);
  for (int i = 255; i > 0; --i) std::swap(spec.symbols[i], spec.symbols[random.below(i + 1)]);
  spec.counts[10] = uint8_t(std::max(0, spec.symbol_count - 200));
  spec.counts[9] = uint8_t(std::min(200, spec.symbol_count));
  return spec;
}

struct EncodeCase {
  SymbolEncoder dc, ac;
  EncodePlan plan;
  Bytes data, out, result;
  size_t nbytes;
};

Case encode_case(Random& random, bool large) {
  const auto state = std::make_shared<EncodeCase>();
  int columns;
  state->data = packed_blocks(random, large, state->plan.block_count, columns);
  state->nbytes = state->data.size();
  state->data.resize(state->nbytes + kPackedPadding, uint8_t(random.word()));
  state->dc.build(encoder_spec(random));
  state->ac.build(encoder_spec(random));
  for (int i = 0; i < state->plan.block_count; ++i)
    state->plan.blocks[i] = {&state->dc, &state->ac, i % kMaxComponents};
  state->out = Bytes(size_t(columns) * kMostEncodedNbytes + kGuard);
  const auto run = [state, columns](const Kernels& table) -> const Bytes& {
    EncodeState encoding;
    encoding.sink.next = state->out.data();
    const uint8_t* next = state->data.data();
    const uint8_t* const end = next + state->nbytes;
    int mcu = 0;
    for (; mcu < columns && next != nullptr && next < end; ++mcu)
      next = table.encode(state->plan, next, encoding);
    state->result.clear();
    append_number(state->result, mcu);
    append_number(state->result, next == nullptr ? -1 : next - state->data.data());
    if (next == nullptr) return state->result;
    state->result.insert(state->result.end(), state->out.data(), encoding.sink.next);
    append_number(state->result, encoding.sink.bits);
    append_number(state->result, encoding.sink.count);
    for (int value : encoding.published) append_number(state->result, value);
    for (int value : encoding.packed) append_number(state->result, value);
    return state->result;
  };
  return {run, double(state->plan.block_count) * columns};
}

}  // namespace

std::vector<Kernel> entropy_kernels() {
  using K = const Kernels&;
  return {{"skip", "block", skip_case, [](K k) { return address(k.skip); }},
          {"pack", "block", pack_case, [](K k) { return address(k.pack); }},
          {"unpack", "block", unpack_case, [](K k) { return address(k.unpack); }},
          {"encode", "block", encode_case, [](K k) { return address(k.encode); }}};
}

}  // namespace imnet
