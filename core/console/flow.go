package console

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"time"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/flow"
	"crmhub/core/job"
)

// The overview of what flows: the numbers as a table, and the same as a picture, the hub in the middle and the connections
// around it.

// flowRow is a flow as a page shows it.
type flowRow struct {
	flow.Flow
	Title   string // what flows
	Hour    string // records an hour, of the last one
	Day     string // records an hour, over the last 24
	Behind  string // how far
	To      string // its rows; "" where the visitor may not see them
	Letters cell
}

// Push reports whether it goes from the hub to the connection.
func (r flowRow) Push() bool { return r.Direction == job.Push }

type flowConnection struct {
	flow.Flows
	To   string
	Rows []flowRow
}

// flowRows are the flows in the visitor's words, with links to what he may see.
func (v *visit) flowRows(all []flow.Flows, now time.Time) []flowConnection {
	letters := v.who.May(access.DeadLetters, access.Read) != ""
	linked := v.console.comparable()
	shown := make([]flowConnection, len(all))
	for i, c := range all {
		shown[i] = flowConnection{Flows: c, To: "/sync/connections/" + c.ID.String()}
		for _, f := range c.Flows {
			r := flowRow{Flow: f, Title: v.say("kinds." + f.Entity), Hour: group(strconv.FormatInt(f.LastHour, 10)), Day: hourly(f.LastDay), Behind: v.behind(f, now)}
			q := url.Values{"connection": {c.ID.String()}, "entity": {f.Entity}}
			if letters {
				switch {
				case f.Pull != nil:
					r.To = "/sync/runs?job=" + f.Pull.JobID.String()
				case slices.Contains(linked, crm.Kind(f.Entity)):
					r.To = linksPath + "?" + q.Encode()
				default: // the list of links knows only kinds that are pulled somewhere
					r.To = linksPath + "?connection=" + c.ID.String()
				}
			}
			r.Letters = cell{Text: group(strconv.FormatInt(f.Letters, 10)), Numeric: true}
			if letters && f.Letters > 0 {
				q.Set("status", string(job.Open))
				r.Letters.Link = "/sync/dead-letters?" + q.Encode()
			}
			shown[i].Rows = append(shown[i].Rows, r)
		}
	}
	return shown
}

// hourly is a count of 24 hours by the hour: with one decimal where it is small.
func hourly(day int64) string {
	rate := float64(day) / 24
	if rate < 10 {
		return strconv.FormatFloat(math.Round(rate*10)/10, 'f', -1, 64)
	}
	return group(strconv.FormatFloat(math.Round(rate), 'f', 0, 64))
}

// behind says how far a flow is behind, in a few words.
func (v *visit) behind(f flow.Flow, now time.Time) string {
	if f.Push != nil {
		waiting := amountWaiting(*f.Push)
		switch {
		case f.Push.Waiting == 0:
			return v.say("flow.up_to_date")
		case f.Push.Since == nil:
			return v.say("flow.waiting", waiting)
		}
		return v.say("flow.waiting_since", waiting, v.age(now.Sub(*f.Push.Since)))
	}
	switch {
	case f.Pull.Run == job.Running:
		return v.say("flow.running")
	case f.Pull.GoodAt == nil:
		return v.say("flow.never")
	}
	return v.say("flow.good", v.age(now.Sub(*f.Pull.GoodAt)))
}

// amountWaiting is how much waits to be pushed, as far as it was counted.
func amountWaiting(p flow.Push) string {
	n := group(strconv.FormatInt(p.Waiting, 10))
	if p.More {
		n += "+"
	}
	return n
}

// age is how long something has been, in its greatest unit; seconds in tens, so that a page which is followed stands still.
func (v *visit) age(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return v.say("flow.moment")
	case d < time.Minute:
		return v.say("flow.seconds", int(d.Seconds())/10*10)
	case d < time.Hour:
		return v.say("flow.minutes", int(d.Minutes()))
	case d < 48*time.Hour:
		return v.say("flow.hours", int(d.Hours()))
	default:
		return v.say("flow.days", int(d.Hours()/24))
	}
}

// flowMap is the picture, in units of its view box; the style sheet colours it.
type flowMap struct {
	X, Width, Height float64
	HubY, HubHeight  float64
	Boxes            []flowBox
}

// flowBox is a connection of the picture.
type flowBox struct {
	X, Y, Height float64
	Name, To     string
	State        flow.State
	Arrows       []flowArrow
}

// flowArrow is a flow: a row of its box, and a line between box and hub.
type flowArrow struct {
	flowRow
	Y     float64 // of the row
	Path  string
	Head  string // the corners of its point
	Thick float64
}

// The measures of the picture.
const (
	boxWidth  = 330.0
	boxHead   = 40.0
	boxRow    = 46.0
	boxFoot   = 6.0
	boxGap    = 20.0
	hubLeft   = 420.0
	hubRight  = 540.0
	mapWidth  = 960.0
	leastHub  = 96.0
	arrowSize = 8.0
)

// drawFlows places the connections left and right of the hub, in their order, the lower side first; one alone stands right.
func drawFlows(connections []flowConnection) *flowMap {
	if len(connections) == 0 {
		return nil
	}
	m := &flowMap{Width: mapWidth}
	var heights [2]float64 // left, right
	for _, c := range connections {
		side := 0
		if heights[1] <= heights[0] {
			side = 1
		}
		b := flowBox{
			X: float64(side) * (mapWidth - boxWidth), Y: heights[side], Height: boxHead + boxFoot + boxRow*float64(max(len(c.Rows), 1)),
			Name: shorten(c.Name, 28), To: c.To, State: c.State(),
		}
		for i, r := range c.Rows {
			b.Arrows = append(b.Arrows, flowArrow{flowRow: r, Y: b.Y + boxHead + boxRow*float64(i)})
		}
		heights[side] += b.Height + boxGap
		m.Boxes = append(m.Boxes, b)
	}
	if len(connections) == 1 {
		m.X, m.Width = hubLeft, mapWidth-hubLeft
	}
	m.Height = max(heights[0], heights[1], leastHub+boxGap) - boxGap
	m.HubHeight = min(m.Height, max(leastHub, m.Height/2))
	m.HubY = (m.Height - m.HubHeight) / 2
	for i := range m.Boxes { // the lower side stands in the middle of the higher one
		b := &m.Boxes[i]
		side := 0
		if b.X > 0 {
			side = 1
		}
		down := (m.Height - (heights[side] - boxGap)) / 2
		b.Y += down
		for j := range b.Arrows {
			b.Arrows[j].Y += down
		}
	}
	m.lines(0, boxWidth, hubLeft)
	m.lines(1, mapWidth-boxWidth, hubRight)
	m.Height += 2 // the edges of the outer boxes
	return m
}

// lines draws those of one side, between the edges of its boxes and that of the hub, where they are spread evenly.
func (m *flowMap) lines(side int, box, hub float64) {
	var arrows []*flowArrow
	for i := range m.Boxes {
		if (m.Boxes[i].X > 0) == (side == 1) {
			for j := range m.Boxes[i].Arrows {
				arrows = append(arrows, &m.Boxes[i].Arrows[j])
			}
		}
	}
	for i, a := range arrows {
		y, at := a.Y+boxRow/2, m.HubY+m.HubHeight*(float64(i)+0.5)/float64(len(arrows))
		from, to, fromY, toY := hub, box, at, y
		if !a.Push() {
			from, to, fromY, toY = box, hub, y, at
		}
		back := arrowSize // the line ends where its point begins
		if to < from {
			back = -arrowSize
		}
		a.Thick = tenth(1.5 + math.Log10(1+float64(a.LastHour)))
		middle := (from + to) / 2
		a.Path = fmt.Sprintf("M%s %s C%s %s %s %s %s %s", coordinate(from), coordinate(tenth(fromY)), coordinate(middle), coordinate(tenth(fromY)),
			coordinate(middle), coordinate(tenth(toY)), coordinate(to-back), coordinate(tenth(toY)))
		a.Head = fmt.Sprintf("%s,%s %s,%s %s,%s", coordinate(to), coordinate(tenth(toY)), coordinate(to-back), coordinate(tenth(toY-arrowSize*0.6)),
			coordinate(to-back), coordinate(tenth(toY+arrowSize*0.6)))
	}
}
