#include "loader/read_ahead.hpp"

#include <pthread.h>

#include <algorithm>
#include <new>
#include <stdexcept>
#include <utility>

namespace imnet {
namespace {

constexpr int64_t kWakeups = 16;  // in the time that a whole window takes
// where so many extents were in the page cache, one after another, one of a few is still asked for
constexpr size_t kAllCached = 256, kProbe = 8;

// Fetches an extent in its way. There is no `memory` where it goes into the page cache.
ReadBytes fetch(const Extent& extent, const Piece& memory, bool wait) {
  ReadBytes read;
  if (memory.size > 0) {
    read.data = read_direct(extent, memory);
    read.nbytes = static_cast<size_t>(extent.nbytes);
    read.memory = memory;
  }
  if (read.data == nullptr) read.was_cached = ask(extent, wait);
  return read;
}

}  // namespace

ReadBytes ReadAheadStream::take(size_t number) {
  ReadBytes read;
  {
    std::unique_lock<std::mutex> guard(state->lock);
    const std::shared_ptr<Chunk> chunk = chunk_of(number);
    if (chunk == nullptr) return read;
    const size_t i = number - chunk->first;
    Progress& progress = chunk->progress[i];
    if (chunk->extents[i].direct)
      state->ended.wait(guard, [&] { return progress != Progress::being_asked; });
    const Progress before = std::exchange(progress, Progress::taken);
    if (before == Progress::taken) return read;
    ++chunk->taken;
    if (before == Progress::waiting) return read;
    if (!chunk->bytes.empty()) read = std::exchange(chunk->bytes[i], {});
    state->ahead_nbytes -= chunk->extents[i].nbytes;
    state->taken_nbytes += chunk->extents[i].nbytes;
    // a thread that wakes up is to have something to do
    if (state->taken_nbytes < state->most_nbytes / kWakeups && state->ahead_nbytes > 0)
      return read;
    state->taken_nbytes = 0;
  }
  state->asked.notify_all();
  return read;
}

void ReadAheadStream::give_back(const ReadBytes& bytes) {
  const std::lock_guard<std::mutex> guard(state->lock);
  state->slabs.give_back(bytes.memory);
}

std::shared_ptr<ReadAheadStream::Chunk> ReadAheadStream::chunk_of(size_t number) const {
  for (const std::shared_ptr<Chunk>& chunk : chunks)
    if (number >= chunk->first && number - chunk->first < chunk->extents.size()) return chunk;
  return nullptr;
}

std::shared_ptr<ReadAheadStream::Chunk> ReadAheadStream::next_chunk() {
  for (; begun_chunks < chunks.size(); ++begun_chunks) {
    Chunk& chunk = *chunks[begun_chunks];
    for (; chunk.begun < chunk.extents.size(); ++chunk.begun, ++chunk.ended) {
      const bool is_probe = cached < kAllCached || (chunk.first + chunk.begun) % kProbe == 0;
      if (chunk.progress[chunk.begun] == Progress::waiting && is_probe) return chunks[begun_chunks];
    }
  }
  return nullptr;
}

ReadAhead::ReadAhead(int64_t most_nbytes, int threads) {
  if (most_nbytes < 1 || threads < 1) throw std::invalid_argument("there is nothing to ask with");
  state_->most_nbytes = most_nbytes;
  try {
    for (int i = 0; i < threads; ++i) threads_.emplace_back(&ReadAhead::work, this);
  } catch (...) {
    close();
    throw;
  }
}

ReadAhead::~ReadAhead() { close(); }

std::shared_ptr<ReadAheadStream> ReadAhead::open(bool in_window) {
  auto stream = std::make_shared<ReadAheadStream>();
  stream->state = state_;
  stream->in_window = in_window;
  const std::lock_guard<std::mutex> guard(state_->lock);
  streams_.push_back(stream);
  return stream;
}

size_t ReadAhead::add(ReadAheadStream& stream, std::vector<Extent> extents) {
  auto chunk = std::make_shared<ReadAheadStream::Chunk>();
  chunk->extents = std::move(extents);
  const size_t count = chunk->extents.size();
  chunk->progress.resize(count);
  const auto is_direct = [](const Extent& extent) { return extent.direct; };
  if (std::any_of(chunk->extents.begin(), chunk->extents.end(), is_direct))
    chunk->bytes.resize(count);
  size_t done = 0;
  {
    const std::lock_guard<std::mutex> guard(state_->lock);
    chunk->first = stream.count;
    stream.count += count;
    stream.chunks.push_back(std::move(chunk));
    stream.next_chunk();  // leaves out what was read meanwhile
    for (; stream.begun_chunks > 0; --stream.begun_chunks, ++done) {
      const ReadAheadStream::Chunk& oldest = *stream.chunks.front();
      const size_t size = oldest.extents.size();
      if (oldest.ended < size || (stream.in_window && oldest.taken < size)) break;
      stream.chunks.pop_front();
    }
  }
  state_->asked.notify_all();
  return done;
}

void ReadAhead::end(const std::shared_ptr<ReadAheadStream>& stream) {
  using Progress = ReadAheadStream::Progress;
  std::unique_lock<std::mutex> guard(state_->lock);
  streams_.erase(std::remove(streams_.begin(), streams_.end(), stream), streams_.end());
  state_->ended.wait(guard, [&] { return stream->busy == 0; });
  for (const std::shared_ptr<ReadAheadStream::Chunk>& chunk : stream->chunks)
    for (size_t i = 0; i < chunk->extents.size(); ++i)
      if (chunk->progress[i] == Progress::asked) {
        state_->ahead_nbytes -= chunk->extents[i].nbytes;
        if (!chunk->bytes.empty()) state_->slabs.give_back(chunk->bytes[i].memory);
      }
  stream->chunks.clear();
  stream->begun_chunks = 0;
  guard.unlock();
  state_->asked.notify_all();  // there is room for others
}

void ReadAhead::close() {
  {
    const std::lock_guard<std::mutex> guard(state_->lock);
    state_->closed = true;
  }
  state_->asked.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

int64_t ReadAhead::ahead_nbytes() {
  const std::lock_guard<std::mutex> guard(state_->lock);
  return state_->ahead_nbytes;
}

// Returns a stream that has an extent to ask for now.
std::shared_ptr<ReadAheadStream> ReadAhead::next() {
  for (const std::shared_ptr<ReadAheadStream>& stream : streams_) {
    const std::shared_ptr<ReadAheadStream::Chunk> chunk = stream->next_chunk();
    if (chunk == nullptr) continue;
    const int64_t nbytes = chunk->extents[chunk->begun].nbytes;
    const int64_t room = state_->most_nbytes - state_->ahead_nbytes;
    if (!stream->in_window || state_->ahead_nbytes == 0 || nbytes <= room) return stream;
  }
  return nullptr;
}

void ReadAhead::work() {
  using Progress = ReadAheadStream::Progress;
  pthread_setname_np(pthread_self(), kReadAheadThread);
  std::unique_lock<std::mutex> guard(state_->lock);
  while (true) {
    std::shared_ptr<ReadAheadStream> stream;
    state_->asked.wait(guard, [&] { return state_->closed || (stream = next()) != nullptr; });
    if (state_->closed) return;
    const std::shared_ptr<ReadAheadStream::Chunk> chunk = stream->next_chunk();
    const size_t i = chunk->begun++;
    const Extent& extent = chunk->extents[i];
    Piece memory;
    if (stream->in_window) {
      chunk->progress[i] = Progress::being_asked;
      state_->ahead_nbytes += extent.nbytes;
    }
    if (const size_t nbytes = direct_nbytes(extent); extent.direct && nbytes > 0)
      try {
        memory = state_->slabs.take(nbytes);
      } catch (const std::bad_alloc&) {  // it is read by the thread that needs it
      }
    ++stream->busy;
    guard.unlock();
    const ReadBytes read = fetch(extent, memory, !stream->in_window);
    guard.lock();
    ++chunk->ended;
    stream->cached = read.was_cached ? stream->cached + 1 : 0;
    if (chunk->progress[i] == Progress::being_asked) chunk->progress[i] = Progress::asked;
    if (read.data != nullptr)
      chunk->bytes[i] = read;
    else
      state_->slabs.give_back(memory);
    --stream->busy;
    if (extent.direct || stream->busy == 0) state_->ended.notify_all();
  }
}

}  // namespace imnet
