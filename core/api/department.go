package api

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"crmhub/core/access"
)

// Department is a part of the organization, as the API shows it.
type Department struct {
	ID       uuid.UUID  `json:"id"`
	Name     string     `json:"name"`
	ParentID *uuid.UUID `json:"parent_id,omitempty" doc:"The department above; absent at the top."`
}

type departmentInput struct {
	Name     string     `json:"name" minLength:"1" maxLength:"100" doc:"Unique below the same department."`
	ParentID *uuid.UUID `json:"parent_id,omitempty" doc:"The department above; at the top if left out."`
}

type departmentPatch struct {
	Name     string     `json:"name,omitempty" minLength:"1" maxLength:"100" doc:"Unique below the same department."`
	ParentID *uuid.UUID `json:"parent_id,omitempty" nullable:"true" doc:"Moves it, with all below it; null is to the top."`
}

func (s *server) listDepartments() operation {
	return operation{
		id: "list-departments", needs: may(access.Organizations, access.Read), tag: "access", summary: "List departments",
		description: "All of them, each after the one above it.",
		status:      http.StatusOK, result: jsonBody(s.document, list[Department]{Items: []Department{departmentExample()}}),
		serve: showAll(s.Access.Departments, showDepartment),
	}
}

func (s *server) addDepartment() operation {
	return operation{
		id: "add-department", needs: may(access.Organizations, access.Update), tag: "access", summary: "Add a department",
		body:   jsonBody(s.document, departmentInput{Name: "Sales North"}),
		status: http.StatusCreated, result: jsonBody(s.document, departmentExample()), located: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			in, err := decode[departmentInput](c)
			if err != nil {
				return answer{}, err
			}
			d, err := s.Access.AddDepartment(ctx, c.who.Principal, access.Department{Name: in.Name, ParentID: in.ParentID})
			if err != nil {
				return answer{}, err
			}
			return created("/departments", d.ID, showDepartment(d))
		},
	}
}

func (s *server) getDepartment() operation {
	return operation{
		id: "get-department", needs: may(access.Organizations, access.Read), tag: "access", summary: "Get a department",
		status: http.StatusOK, result: jsonBody(s.document, departmentExample()),
		serve: showOnID(s.Access.Department, showDepartment),
	}
}

func (s *server) patchDepartment() operation {
	return operation{
		id: "update-department", needs: may(access.Organizations, access.Update), tag: "access", summary: "Rename or move a department",
		description: "A JSON merge patch (RFC 7396). What its people may see moves with it. Departments have no versions: the last change wins.",
		body:        mergePatchBody(s.document, departmentPatch{Name: "Sales South"}),
		status:      http.StatusOK, result: jsonBody(s.document, departmentExample()),
		serve: func(ctx context.Context, c *call) (answer, error) {
			id, patch, in, err := patchOnID[departmentPatch](c)
			if err != nil {
				return answer{}, err
			}
			d, err := s.Access.ChangeDepartment(ctx, c.who.Principal, id, func(d *access.Department) {
				if has(patch, "name") {
					d.Name = in.Name
				}
				if has(patch, "parent_id") {
					d.ParentID = in.ParentID
				}
			})
			if err != nil {
				return answer{}, err
			}
			return respond(http.StatusOK, showDepartment(d))
		},
	}
}

func (s *server) deleteDepartment() operation {
	return operation{
		id: "delete-department", needs: may(access.Organizations, access.Update), tag: "access", summary: "Delete a department",
		description: "It must be empty: while people or departments are in it, the answer is 409.",
		status:      http.StatusNoContent, problems: []int{http.StatusConflict},
		serve: actOnID(s.Access.DeleteDepartment),
	}
}

func has(patch map[string]any, name string) bool {
	_, ok := patch[name]
	return ok
}

func showDepartment(d access.Department) Department {
	return Department{ID: d.ID, Name: d.Name, ParentID: d.ParentID}
}

func departmentExample() Department {
	return Department{ID: uuid.MustParse(exampleID), Name: "Sales North"}
}
