package local

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/tool"
)

// database is a folder with what grype knows, as it was when it was first
// asked about: one run does not judge by two.
type database struct {
	program, dir string
	prepare      func(context.Context) // may be nil

	once  sync.Once
	tool  string
	built time.Time
	err   error

	mu      sync.Mutex
	systems map[string]bool // which distributions it knows

	providers map[string]time.Time // when their records were captured; nil before they were asked for
}

// environment keeps grype from the network, and from changing the database.
// That its age is not checked by grype is because we do.
func environment(dir string) []string {
	return []string{
		"GRYPE_DB_CACHE_DIR=" + dir, "GRYPE_DB_AUTO_UPDATE=false", "GRYPE_DB_VALIDATE_AGE=false",
		"GRYPE_DB_VALIDATE_BY_HASH_ON_START=true", "GRYPE_CHECK_FOR_APP_UPDATE=false",
	}
}

var versionForm = regexp.MustCompile(`^grype [0-9A-Za-z.+-]{1,64}$`)

// read tells the program's name and version and when the database was put
// together. One without any vulnerability is an error.
func (d *database) read(ctx context.Context) (string, time.Time, error) {
	d.once.Do(func() {
		if d.prepare != nil {
			d.prepare(ctx)
		}
		if d.tool, d.err = version(ctx, d.program); d.err == nil {
			d.built, d.err = d.status(ctx)
		}
		if d.err == nil {
			d.err = d.filled(ctx)
		}
	})
	return d.tool, d.built, d.err
}

func version(ctx context.Context, program string) (string, error) {
	out, err := tool.Command{Name: program, Args: []string{"--version"}}.Output(ctx)
	said := strings.TrimSpace(string(out))
	if err == nil && !versionForm.MatchString(said) {
		return "", fmt.Errorf("%s is no grype: it says of itself %.80q", program, said)
	}
	return said, err
}

// ask runs a command that prints JSON about the database. The folder that it
// works in, and that it takes for its home, has nobody's settings.
func (d *database) ask(ctx context.Context, into any, args ...string) (err error) {
	dir, err := os.MkdirTemp("", "rootfsrun-scan-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	c, err := grype(d.program, d.dir, dir, append(append([]string{"db"}, args...), "-o", "json")...)
	if err != nil {
		return err
	}
	out, err := c.Output(ctx)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(out, into); err != nil {
		return fmt.Errorf("reading what grype says of its database: %w", err)
	}
	return nil
}

// noSettings is the name of a file without any.
const noSettings = "none.yaml"

// grype is a run of the program in an empty folder, without anybody's settings:
// those could tell it to leave findings out.
func grype(program, db, dir string, args ...string) (tool.Command, error) {
	return tool.Command{
		Name: program, Args: append(args, "--config", noSettings), Dir: dir,
		Env: append(environment(db), "HOME="+dir, "TMPDIR="+dir),
	}, os.WriteFile(filepath.Join(dir, noSettings), nil, 0o600)
}

const fill = "; rootfsrun scan --db-update fills it, or --db-import FILE"

func (d *database) status(ctx context.Context) (time.Time, error) {
	if _, err := os.Stat(d.dir); err != nil {
		return time.Time{}, &trouble{state: model.ScanFailed, detail: "there is no database of vulnerabilities in " + d.dir + fill}
	}
	var s struct {
		Built time.Time `json:"built"`
		Valid bool      `json:"valid"`
	}
	err := d.ask(ctx, &s, "status")
	if err != nil && ctx.Err() != nil {
		return time.Time{}, err
	}
	if err != nil || !s.Valid || s.Built.IsZero() {
		return time.Time{}, &trouble{state: model.ScanFailed, detail: "the database of vulnerabilities in " + d.dir + " is missing or damaged" + fill}
	}
	return s.Built, nil
}

// filled refuses a database that would find nothing in anything.
func (d *database) filled(ctx context.Context) error {
	providers, err := d.provided(ctx)
	if err != nil {
		return err
	}
	if len(providers) == 0 {
		return &trouble{state: model.ScanFailed, detail: "the database of vulnerabilities in " + d.dir + " is empty" + fill}
	}
	return nil
}

// knows tells whether the database knows a distribution. A scanner that does
// not finds nothing in its packages, and says nothing of that.
func (d *database) knows(ctx context.Context, system string) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if known, asked := d.systems[system]; asked {
		return known, nil
	}
	var none []json.RawMessage
	err := d.ask(ctx, &none, "search", "--pkg", "rootfsrun-asks-for-the-distribution", "--distro", system)
	exit, ended := errors.AsType[*tool.ExitError](err)
	if err != nil && (!ended || !strings.Contains(exit.Tail, "OS not present")) {
		return false, err
	}
	if d.systems == nil {
		d.systems = map[string]bool{}
	}
	d.systems[system] = err == nil
	return err == nil, nil
}

// Import fills a folder from an archive of a database, for a machine without a
// network. What is said of it goes to the error.
func Import(ctx context.Context, program, dir, file string) error {
	return fillFrom(ctx, program, dir, "import", file)
}

// Update fills a folder with the newest database that its publisher has, or, by
// update, what a mirror of it has; empty is the publisher's. What is not what
// the listing says is refused, and the database that was there stays.
func Update(ctx context.Context, program, dir, update string) error {
	if err := listed(ctx, cmp.Or(update, publicAddress)); err != nil {
		return fmt.Errorf("filling the database in %s: %w", dir, err)
	}
	return fillFrom(ctx, program, dir, "update", "", update)
}

// What grype's publisher lists, for the version that is pinned.
const (
	publicAddress = "https://grype.anchore.io/databases"
	listingFile   = "/v6/latest.json"
	maxListing    = 1 << 20 // bytes
)

var checksumForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// listed refuses a listing that grype would take for an offer of nothing, or of
// an archive that it need not check.
func listed(ctx context.Context, address string) error {
	if !strings.HasSuffix(address, ".json") {
		address = strings.TrimRight(address, "/") + listingFile
	}
	b, err := fetched(ctx, address)
	if err != nil {
		return fmt.Errorf("reading the listing of databases: %w", err)
	}
	var listing struct {
		Built    time.Time `json:"built"`
		Path     string    `json:"path"`
		Checksum string    `json:"checksum"`
	}
	switch err := json.Unmarshal(b, &listing); {
	case err != nil:
		return fmt.Errorf("reading the listing of databases: %w", err)
	case listing.Path == "" || listing.Built.IsZero():
		return errors.New("reading the listing of databases: it names none")
	case !checksumForm.MatchString(listing.Checksum):
		return fmt.Errorf("reading the listing of databases: it has no SHA-256 of %.80q", listing.Path)
	}
	return nil
}

// fetched asks once: grype does not ask again either, and a mirror in one's own
// network may speak plain HTTP.
func fetched(ctx context.Context, address string) (b []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	r, err := http.DefaultClient.Do(q)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Body.Close()) }()
	if r.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %s", r.Status)
	}
	return io.ReadAll(io.LimitReader(r.Body, maxListing))
}

func fillFrom(ctx context.Context, program, dir, what, file string, update ...string) (err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	home, err := os.MkdirTemp("", "rootfsrun-scan-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(home)) }()
	args := []string{"db", what}
	if file != "" {
		args = append(args, file)
	}
	c, err := grype(program, dir, home, args...)
	if err != nil {
		return err
	}
	for _, address := range update {
		if address != "" {
			c.Env = append(c.Env, "GRYPE_DB_UPDATE_URL="+address)
		}
	}
	if err := c.Run(ctx); err != nil {
		return fmt.Errorf("filling the database in %s: %w", dir, err)
	}
	return nil
}

// Built tells when the database in a folder was put together; zero where there
// is none that can be read.
func Built(ctx context.Context, program, dir string) time.Time {
	built, err := (&database{program: program, dir: dir}).status(ctx)
	if err != nil {
		return time.Time{}
	}
	return built.UTC()
}
