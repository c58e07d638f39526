package online

import (
	"context"
	"errors"
	"iter"

	"github.com/tilery/tilery/pkg/window"
)

// Limits of one call. Callers split what is larger; a driver refuses it with ErrTooLarge.
const (
	MaxValueBytes  = 350 << 10 // of one cell's Value: below DynamoDB's item limit
	MaxEntityBytes = 1 << 10   // of one encoded entity key
	MaxWrites      = 4096      // writes in one Write
	MaxReads       = 1024      // reads in one Read
)

var (
	// ErrDamaged is a stored cell that cannot be decoded.
	ErrDamaged = errors.New("damaged cell")
	// ErrTooLarge is a call past one of the limits.
	ErrTooLarge = errors.New("online store limit exceeded")
)

// Kind separates the cells of one store.
type Kind uint8

// The kinds. Status and progress cells belong to the store and have no entity.
const (
	KindStatus   Kind = iota + 1 // coverage and the batch watermark: see Status
	KindProgress                 // a stream writer's next position
	KindFence                    // what a deletion left of an entity; lies beside the entity's cells
	KindTile                     // sparse tile states of one block of time: see AppendTiles, AppendKeyedTiles
	KindRow                      // the latest row
)

// Key names a cell.
type Key struct {
	Store  string      // name of the view's store: workspace, view and fingerprint
	Entity []byte      // encoded join keys (record.Key); empty for status and progress
	Kind   Kind        //
	Level  uint8       // coarseness of tiles: 0 is the aggregation interval
	Block  window.Time // start of the block of tiles; 0 for other kinds
	Writer []byte      // a stream source's partition; empty for batch
}

// Cell is what is stored under a key. An absent cell has version 0.
type Cell struct {
	// Version is the log version H of a batch cell, and random in all others:
	// a counter would come round again after a deletion and let a zombie win.
	Version uint64
	// Fence is the sequence of the deletion that the cell has seen; 0 for batch.
	Fence uint64
	// Position is the last source position folded in; empty for batch.
	Position []byte
	// MaxTime is the latest event time folded in; 0 for batch.
	MaxTime window.Time
	// Tombstone marks a cell whose rows vanished. It keeps its version, so that
	// an older writer cannot bring them back.
	Tombstone bool
	Value     []byte
}

// Item is a stored cell with its key.
type Item struct {
	Key  Key
	Cell Cell
}

// Condition says when a write takes place.
type Condition uint8

// The conditions.
const (
	// IfNotNewer writes iff the stored version is at most the written one.
	IfNotNewer Condition = iota + 1
	// IfVersion writes iff the stored version equals Expected (0: absent).
	IfVersion
)

// Write is the conditional write of one cell, or with Remove its removal, which leaves
// nothing behind, no version either. A removal is IfNotNewer, and its Cell has the
// version that is compared and nothing else. It takes place where there is no cell, too,
// and changes nothing there.
//
// After a removal any write takes place, also an older one than the cell was. So only
// who knows that no older writer is left may remove; others put a tombstone.
type Write struct {
	Key       Key
	Remove    bool
	Cell      Cell
	Condition Condition
	Expected  uint64 // for IfVersion
}

// Blocks is a range of blocks of one level, [From, To).
type Blocks struct {
	Level    uint8
	From, To window.Time
}

// Read asks for an entity's fence, and its tiles (of every writer) in the given
// blocks, and its row cells if Row is set.
type Read struct {
	Store  string
	Entity []byte
	Blocks []Blocks
	Row    bool
}

// Store is an online store. All methods are safe for concurrent use; reads are
// strong: they see every write that returned before they began.
type Store interface {
	// Get returns one cell, and whether it is there.
	Get(ctx context.Context, key Key) (Cell, bool, error)
	// Read answers all reads in one round, in order. Items come in key order;
	// tombstones are among them.
	Read(ctx context.Context, reads []Read) ([][]Item, error)
	// Write carries out each write by itself, durably, and reports which took
	// place. After an error any subset may have taken place; writing the same
	// again is harmless. A key may stand in one call only once.
	Write(ctx context.Context, writes []Write) ([]bool, error)
	// Scan yields every cell of a store in key order.
	Scan(ctx context.Context, store string) iter.Seq2[Item, error]
	// Drop removes every cell of a store.
	Drop(ctx context.Context, store string) error
	// DropTree removes every cell of a store and of those whose names go on from its
	// own with a slash.
	DropTree(ctx context.Context, store string) error
	// Close releases the store; calls after it fail.
	Close() error
}
